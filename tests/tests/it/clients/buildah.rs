//! `buildah`: an image built from scratch, pushed, and pulled into an empty container storage.

use std::process::Command;

use zot_tests::backend::Backend;
use zot_tests::client::Credentials;
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, Run, tool};

crate::on_both_backends!(pulls_the_image_that_it_built_and_pushed);

async fn pulls_the_image_that_it_built_and_pushed(backend: Backend) {
    assert_namespaces();
    let server = Server::guarded(backend).await;
    let image = format!("{}/team/built:v1", server.address());
    let buildah = Buildah { home: Home::new(), program: tool("buildah").await };
    buildah.home.write("context/hello", "hello from buildah\n");
    buildah.home.write("context/Containerfile", "FROM scratch\nCOPY hello /hello\nLABEL test=yes\n");
    buildah.home.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);

    let build = format!("bud --isolation chroot --signature-policy policy.json --tag {image} context");
    buildah.run("one", &build).ok().await;
    let push = format!("push --signature-policy policy.json {} {image} docker://{image}", creds(ADMIN));
    buildah.run("one", &push).ok().await;

    let pull = format!("pull --signature-policy policy.json {} docker://{image}", creds(READER));
    buildah.run("two", &pull).ok().await;
    let inspected = buildah.run("two", &format!("inspect --type image {image}")).ok().await.stdout;
    assert!(inspected.contains(r#""test": "yes""#), "{inspected}");
    buildah.end().await;
}

/// Building unpacks layers with the owners they name, and so needs root or a user namespace.
fn assert_namespaces() {
    let runs = |program: &str, args: &[&str]| Command::new(program).args(args).output().expect("util-linux");
    let root = runs("id", &["-u"]).stdout == b"0\n";
    assert!(
        root || runs("unshare", &["--user", "--map-root-user", "true"]).status.success(),
        "buildah needs root or user namespaces, and this user has neither: nothing is proven here about buildah"
    );
}

fn creds(key: Credentials) -> String {
    format!("--tls-verify=false --creds {}:{}", key.id, key.secret)
}

/// The program with a home of its own.
struct Buildah {
    home: Home,
    program: std::path::PathBuf,
}

impl Buildah {
    /// A command on one of several container storages.
    fn run(&self, storage: &str, words: &str) -> Run {
        let options = format!("--root {0}/root-{storage} --runroot {0}/run-{storage}", self.home.path().display());
        self.home.command(&self.program).words(&options).words("--storage-driver vfs").words(words)
    }

    /// Removes the storages by the program itself: in a user namespace their files are not ours to remove.
    async fn end(&self) {
        for storage in ["one", "two"] {
            self.run(storage, "rmi --all --force").ok().await;
        }
    }
}
