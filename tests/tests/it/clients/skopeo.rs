//! `skopeo`: images copied from and to layouts, in the OCI and the Docker format.

use zot_tests::backend::Backend;
use zot_tests::client::Credentials;
use zot_tests::layout::Layout;
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, Run, tool};

crate::on_both_backends!(copies_an_image_there_and_back, copies_an_image_in_docker_format, deletes_an_image);

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

async fn copies_an_image_there_and_back(backend: Backend) {
    let (server, skopeo) = start(backend).await;
    let image = Layout::make(&skopeo.home, "image").await;
    skopeo.run("copy").words(&to(ADMIN)).words("oci:image:v1").arg(skopeo.reference("team/app:v1")).ok().await;
    skopeo.run("copy").words(&from(READER)).arg(skopeo.reference("team/app:v1")).arg("oci:back:v1").ok().await;

    let stored = server.client().get_manifest("team/app", "v1").await.expect_status(200);
    assert_eq!(stored.header("docker-content-digest"), image.digest);
    assert_eq!(stored.body, image.manifest);
    let hex = image.digest.trim_start_matches("sha256:");
    assert_eq!(skopeo.home.read(format!("back/blobs/sha256/{hex}")), image.manifest);
}

async fn copies_an_image_in_docker_format(backend: Backend) {
    let (server, skopeo) = start(backend).await;
    Layout::make(&skopeo.home, "image").await;
    let target = skopeo.reference("team/app:docker");
    skopeo.run("copy").words("--format v2s2").words(&to(ADMIN)).words("oci:image:v1").arg(&target).ok().await;
    let stored = server.client().get_manifest("team/app", "docker").await.expect_status(200);
    assert_eq!(stored.header("content-type"), DOCKER_MANIFEST);

    skopeo.run("copy").words(&from(READER)).arg(&target).words("dir:back").ok().await;
    let back = String::from_utf8(skopeo.home.read("back/manifest.json")).expect("a manifest in UTF-8");
    assert!(back.contains(DOCKER_MANIFEST), "{back}");
}

async fn deletes_an_image(backend: Backend) {
    let (server, skopeo) = start(backend).await;
    Layout::make(&skopeo.home, "image").await;
    let target = skopeo.reference("team/app:v1");
    skopeo.run("copy").words(&to(ADMIN)).words("oci:image:v1").arg(&target).ok().await;
    let delete = |key| skopeo.run("delete").words(&creds(key)).arg(&target);
    delete(READER).fails().await;
    server.client().get_manifest("team/app", "v1").await.expect_status(200);
    delete(ADMIN).ok().await;
    server.client().get_manifest("team/app", "v1").await.expect_error(404, "MANIFEST_UNKNOWN");
}

/// The program with a home of its own and the server it talks to.
struct Skopeo {
    home: Home,
    program: std::path::PathBuf,
    host: String,
}

async fn start(backend: Backend) -> (Server, Skopeo) {
    let server = Server::guarded(backend).await;
    let skopeo = Skopeo { home: Home::new(), program: tool("skopeo").await, host: server.address().to_string() };
    (server, skopeo)
}

impl Skopeo {
    /// A subcommand. No signature policy: machines have different ones, or none.
    fn run(&self, subcommand: &str) -> Run {
        self.home.command(&self.program).words("--insecure-policy").arg(subcommand)
    }

    fn reference(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.host)
    }
}

/// Options for the target of a copy.
fn to(key: Credentials) -> String {
    format!("--dest-tls-verify=false --dest-creds {}:{}", key.id, key.secret)
}

/// Options for the source of a copy.
fn from(key: Credentials) -> String {
    format!("--src-tls-verify=false --src-creds {}:{}", key.id, key.secret)
}

/// Options for a command on one image.
fn creds(key: Credentials) -> String {
    format!("--tls-verify=false --creds {}:{}", key.id, key.secret)
}
