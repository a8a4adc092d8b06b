//! `cosign` 3 with a key and without any network service: signatures and attestations as referrers.

use zot_tests::backend::Backend;
use zot_tests::layout::Layout;
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, Run, tool};

crate::on_both_backends!(verifies_what_it_signed_and_attested);

/// No transparency log: nothing leaves the machine.
const OFFLINE_SIGN: &str = "--key cosign.key --use-signing-config=false --tlog-upload=false --yes";
const OFFLINE_VERIFY: &str = "--key cosign.pub --insecure-ignore-tlog=true";

async fn verifies_what_it_signed_and_attested(backend: Backend) {
    let server = Server::guarded(backend).await;
    let cosign = Cosign { home: Home::new(), program: tool("cosign").await, host: server.address().to_string() };
    let reference = cosign.push_image().await;
    cosign.run("generate-key-pair").ok().await;
    cosign.home.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"demo"}"#);

    let verify = format!("verify {OFFLINE_VERIFY} {reference}");
    cosign.run(&verify).fails().await;
    cosign.run(&format!("sign {OFFLINE_SIGN} {reference}")).ok().await;
    let attest = format!("attest {OFFLINE_SIGN} --type spdxjson --predicate sbom.json {reference}");
    cosign.run(&attest).ok().await;

    cosign.login(READER.id, READER.secret).await;
    cosign.run(&verify).ok().await;
    cosign.run(&format!("verify-attestation {OFFLINE_VERIFY} --type spdxjson {reference}")).ok().await;
    let (_, digest) = reference.split_once('@').expect("a reference by digest");
    let referrers = server.client().get(&format!("/v2/team/app/referrers/{digest}")).await.expect_status(200).json();
    let found = referrers["manifests"].as_array().expect("a list of referrers");
    assert_eq!(found.len(), 2, "one signature and one attestation: {referrers}");

    cosign.home.write("other/.keep", "");
    let other = cosign.run("generate-key-pair --output-key-prefix other/cosign");
    other.ok().await;
    cosign.run(&format!("verify --key other/cosign.pub --insecure-ignore-tlog=true {reference}")).fails().await;
}

/// The program with a home of its own and the server it talks to.
struct Cosign {
    home: Home,
    program: std::path::PathBuf,
    host: String,
}

impl Cosign {
    fn run(&self, words: &str) -> Run {
        self.home.command(&self.program).env("COSIGN_PASSWORD", "secret").words(words)
    }

    async fn login(&self, id: &str, secret: &str) {
        self.run(&format!("login {} --username {id} --password-stdin", self.host)).input(secret).ok().await;
    }

    /// Pushes an image as the administrator, who stays logged in, and returns its reference by digest.
    async fn push_image(&self) -> String {
        let image = Layout::make(&self.home, "image").await;
        self.login(ADMIN.id, ADMIN.secret).await;
        let crane = tool("crane").await;
        let push = self.home.command(crane).words("--insecure push image").arg(format!("{}/team/app:v1", self.host));
        push.ok().await;
        format!("{}/team/app@{}", self.host, image.digest)
    }
}
