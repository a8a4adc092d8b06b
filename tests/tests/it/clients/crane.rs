//! `crane`: images, listings, copies between repositories (mounts), deletes.

use zot_tests::backend::Backend;
use zot_tests::client::Credentials;
use zot_tests::layout::Layout;
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, Run, tool};

crate::on_both_backends!(pulls_lists_and_finds_what_it_pushed, copies_between_repositories, deletes_by_digest);

async fn pulls_lists_and_finds_what_it_pushed(backend: Backend) {
    let (_server, crane) = start(backend).await;
    let image = Layout::make(&crane.home, "image").await;
    crane.login(ADMIN).await;
    for tag in ["v1", "v2", "latest"] {
        crane.run(&format!("push image {}", crane.reference(&format!("team/app:{tag}")))).ok().await;
    }
    crane.login(READER).await;
    let pulled = crane.reference("team/app:v1");
    crane.run(&format!("pull --format oci {pulled} back")).ok().await;
    let hex = image.digest.trim_start_matches("sha256:");
    assert_eq!(crane.home.read(format!("back/blobs/sha256/{hex}")), image.manifest);
    assert_eq!(crane.run(&format!("digest {pulled}")).ok().await.stdout.trim(), image.digest);
    let tags = crane.run(&format!("ls {}", crane.reference("team/app"))).ok().await.stdout;
    assert_eq!(tags.lines().collect::<Vec<_>>(), ["latest", "v1", "v2"]);
    let catalog = crane.run(&format!("catalog {}", crane.host)).ok().await.stdout;
    assert_eq!(catalog.trim(), "team/app");
    crane.run(&format!("validate --remote {pulled}")).ok().await;
}

async fn copies_between_repositories(backend: Backend) {
    let (_server, crane) = start(backend).await;
    let image = Layout::make(&crane.home, "image").await;
    crane.login(ADMIN).await;
    let (from, to) = (crane.reference("team/app:v1"), crane.reference("other/copy:v1"));
    crane.run(&format!("push image {from}")).ok().await;
    crane.run(&format!("copy {from} {to}")).ok().await;
    crane.run(&format!("validate --remote {to}")).ok().await;
    assert_eq!(crane.run(&format!("digest {to}")).ok().await.stdout.trim(), image.digest);
    let tagged = format!("tag {to} stable");
    crane.run(&tagged).ok().await;
    assert_eq!(crane.run(&format!("ls {}", crane.reference("other/copy"))).ok().await.stdout, "stable\nv1\n");
}

async fn deletes_by_digest(backend: Backend) {
    let (server, crane) = start(backend).await;
    let image = Layout::make(&crane.home, "image").await;
    crane.login(ADMIN).await;
    crane.run(&format!("push image {}", crane.reference("team/app:v1"))).ok().await;
    let by_digest = crane.reference(&format!("team/app@{}", image.digest));
    crane.login(READER).await;
    crane.run(&format!("delete {by_digest}")).fails().await;
    crane.login(ADMIN).await;
    crane.run(&format!("delete {by_digest}")).ok().await;
    server.client().get_manifest("team/app", "v1").await.expect_error(404, "MANIFEST_UNKNOWN");
}

/// The program with a home of its own and the server it talks to.
struct Crane {
    home: Home,
    program: std::path::PathBuf,
    host: String,
}

async fn start(backend: Backend) -> (Server, Crane) {
    let server = Server::guarded(backend).await;
    let crane = Crane { home: Home::new(), program: tool("crane").await, host: server.address().to_string() };
    (server, crane)
}

impl Crane {
    fn run(&self, words: &str) -> Run {
        self.home.command(&self.program).words("--insecure").words(words)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    async fn login(&self, key: Credentials) {
        self.run(&format!("auth login {} --username {} --password {}", self.host, key.id, key.secret)).ok().await;
    }
}
