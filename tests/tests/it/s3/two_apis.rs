//! One artifact by two APIs: OCI clients pull, sign and attach to what S3 puts. Deleting the object deletes it everywhere.

use serde_json::Value;
use zot_tests::backend::Backend;
use zot_tests::client::digest;
use zot_tests::cluster::Cluster;
use zot_tests::server::{ADMIN, READER, Server, Setup};
use zot_tests::tools::{Home, Run, tool};

use super::with_keys;

crate::on_both_backends!(
    an_object_is_pulled_signed_and_described,
    a_multipart_object_is_digested_when_asked_for,
    a_deleted_object_is_gone_on_every_path,
    what_oci_pushes_s3_does_not_list,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_when_each_request_meets_another_of_three_replicas() {
    let cluster = Cluster::start(Setup::on(&Backend::PostgresS3.fresh().await).with_access_control()).await;
    let apis = Apis::at(cluster.proxy().address().to_string()).await;
    apis.put("small.txt", b"small").await;
    apis.pull_and_compare("small.txt", b"small").await;
    let large = b"0123456789abcdef".repeat(1_250_000);
    apis.put("large.bin", &large).await;
    apis.pull_and_compare("large.bin", &large).await;
}

#[tokio::test]
async fn a_multipart_object_is_digested_on_gcs() {
    a_multipart_object_is_digested_when_asked_for(Backend::SqliteGcs).await;
}

#[tokio::test]
async fn a_multipart_object_is_digested_on_azure() {
    a_multipart_object_is_digested_when_asked_for(Backend::SqliteAzure).await;
}

async fn an_object_is_pulled_signed_and_described(backend: Backend) {
    let server = guarded(backend).await;
    let apis = Apis::at(server.address().to_string()).await;
    apis.put("dir/model.bin", b"weights").await;
    let artifact = apis.pull_and_compare("dir/model.bin", b"weights").await;
    let reference = artifact["reference"].as_str().expect("a reference");
    assert_eq!(artifact["digest"], digest(b"weights"));
    apis.home.write("note.txt", "a note");
    apis.oras("attach", reference).words("--artifact-type application/x-note note.txt").ok().await;
    apis.sign_and_verify(reference).await;
    let referrers = apis.oras("discover", reference).words("--format json").ok().await.stdout;
    assert!(referrers.contains("application/x-note") && referrers.contains("sigstore.bundle"), "{referrers}");
    apis.oras("tag", reference).words("stable").ok().await;
    apis.oras("pull", "two-apis:stable").words("--output tagged").ok().await;
    assert_eq!(apis.home.read("tagged/dir/model.bin"), b"weights");
}

async fn a_multipart_object_is_digested_when_asked_for(backend: Backend) {
    let server = guarded(backend).await;
    let apis = Apis::at(server.address().to_string()).await;
    let large = b"0123456789abcdef".repeat(1_250_000);
    apis.put("large.bin", &large).await;
    let artifact = apis.pull_and_compare("large.bin", &large).await;
    assert!(artifact["etag"].as_str().is_some_and(|etag| etag.contains('-')), "{artifact}");
    assert_eq!(artifact["digest"], digest(&large));
    // the same bytes in one part: one blob, and the same layer
    apis.aws("s3api put-object --bucket two-apis --key same.bin --body large.bin").ok().await;
    assert_eq!(apis.artifact("same.bin").await["digest"], digest(&large));
}

async fn a_deleted_object_is_gone_on_every_path(backend: Backend) {
    let server = guarded(backend).await;
    let apis = Apis::at(server.address().to_string()).await;
    apis.put("a.txt", b"content").await;
    let artifact = apis.pull_and_compare("a.txt", b"content").await;
    let reference = artifact["reference"].as_str().expect("a reference").to_owned();
    apis.oras("tag", &reference).words("v1").ok().await;
    apis.sign_and_verify(&reference).await;
    let client = server.client();
    let manifest = reference.split_once('@').expect("a digest").1;
    let path = format!("/v2/two-apis/manifests/{manifest}");
    let refused = zot_tests::client::Reply::to(client.request(reqwest::Method::DELETE, &path)).await;
    refused.expect_error(405, "UNSUPPORTED");
    apis.aws("s3 rm s3://two-apis/a.txt").ok().await;
    let layer = digest(b"content");
    for path in [
        format!("/v2/two-apis/manifests/{manifest}"),
        "/v2/two-apis/manifests/v1".to_owned(),
        format!("/v2/two-apis/blobs/{layer}"),
        format!("/v2/two-apis/blobs/{manifest}"),
        "/api/v1/artifacts/two-apis/a.txt".to_owned(),
    ] {
        client.get(&path).await.expect_status(404);
    }
    let referrers = client.get(&format!("/v2/two-apis/referrers/{manifest}")).await.expect_status(200);
    assert_eq!(referrers.json()["manifests"], serde_json::json!([]));
}

async fn what_oci_pushes_s3_does_not_list(backend: Backend) {
    let server = guarded(backend).await;
    let apis = Apis::at(server.address().to_string()).await;
    server.client().push_image("two-apis/app", "v1", "layer").await;
    let listed = apis.aws("s3 ls --recursive s3://two-apis").run().await;
    assert_eq!(listed.stdout, "", "{listed}");
    let refused = apis.aws("s3 rb s3://two-apis").fails().await;
    assert!(refused.stderr.contains("BucketNotEmpty"), "{refused}");
}

async fn guarded(backend: Backend) -> Server {
    Setup::on(&backend.fresh().await).with_access_control().start().await
}

/// Both APIs of one store, with clients that know the administrator, and the bucket `two-apis`.
struct Apis {
    home: Home,
    host: String,
    aws: String,
    oras: std::path::PathBuf,
}

impl Apis {
    async fn at(host: String) -> Self {
        let aws = format!("{}.env/bin/aws", tool("python-s3").await.display());
        let apis = Self { home: Home::new(), host, aws, oras: tool("oras").await };
        apis.aws("s3 mb s3://two-apis").ok().await;
        let login = apis.home.command(&apis.oras).words("login --plain-http --password-stdin --username").arg(ADMIN.id);
        login.arg(&apis.host).input(ADMIN.secret).ok().await;
        apis
    }

    /// The AWS command line on the API under `/s3`.
    fn aws(&self, words: &str) -> Run {
        let endpoint = format!("http://{}/s3", self.host);
        let run = self.home.command(&self.aws).words("--endpoint-url").arg(&endpoint).words(words);
        with_keys(run, &endpoint)
    }

    fn oras(&self, subcommand: &str, reference: &str) -> Run {
        self.home.command(&self.oras).words(&format!("{subcommand} --plain-http {}/{reference}", self.host))
    }

    async fn put(&self, key: &str, content: &[u8]) {
        let name = key.rsplit('/').next().expect("a name");
        self.home.write(name, content);
        self.aws(&format!("s3 cp {name} s3://two-apis/{key}")).ok().await;
    }

    /// The object as REST describes it.
    async fn artifact(&self, key: &str) -> Value {
        let url = format!("http://{}/api/v1/artifacts/two-apis/{key}", self.host);
        let request = reqwest::Client::new().get(url).basic_auth(READER.id, Some(READER.secret));
        let response = request.send().await.expect("a response").error_for_status().expect("the artifact");
        response.json().await.expect("JSON")
    }

    /// Pulls by the object's reference: one file with its name and bytes, whose `sha256sum` is the layer's digest.
    async fn pull_and_compare(&self, key: &str, content: &[u8]) -> Value {
        let artifact = self.artifact(key).await;
        let reference = artifact["reference"].as_str().expect("a reference");
        self.oras("pull", reference).words("--output pulled").ok().await;
        assert_eq!(digest(&self.home.read(format!("pulled/{key}"))), digest(content));
        let sum = self.home.command("sha256sum").arg(format!("pulled/{key}")).ok().await.stdout;
        assert_eq!(artifact["digest"], format!("sha256:{}", sum.split_whitespace().next().expect("a sum")));
        artifact
    }

    async fn sign_and_verify(&self, reference: &str) {
        let cosign = tool("cosign").await;
        let run = |words: &str| self.home.command(&cosign).env("COSIGN_PASSWORD", "x").words(words);
        run("generate-key-pair").ok().await;
        let flags = "--allow-http-registry --registry-username";
        let keys = format!("{flags} {} --registry-password {}", ADMIN.id, ADMIN.secret);
        let target = format!("{}/{reference}", self.host);
        let offline = "--use-signing-config=false --tlog-upload=false --yes";
        run(&format!("sign --key cosign.key {offline} {keys} {target}")).ok().await;
        run(&format!("verify --key cosign.pub --insecure-ignore-tlog=true {keys} {target}")).ok().await;
    }
}
