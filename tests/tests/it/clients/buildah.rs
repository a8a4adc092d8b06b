//! `buildah`: an image is built from scratch, pushed, and pulled into an empty container storage. Our own images are built
//! from their Containerfiles.

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

/// What is in them is shown by the cluster tests; here, that they can be built without a base, and run as anybody but root.
#[tokio::test]
async fn containerfiles_make_images_without_a_base() {
    assert_namespaces();
    let buildah = Buildah { home: Home::new(), program: tool("buildah").await };
    buildah.home.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    buildah.home.write("image/state/zot/.keep", "");
    buildah.home.write("image/LICENSE", "the licence");
    for (folder, program) in [("server", "zot-artifact-store"), ("operator", "zot-artifact-store-operator")] {
        buildah.home.write(&format!("image/{program}"), "a static binary");
        let file = zot_tests::workspace().join(folder).join("Containerfile");
        let arguments = "--build-arg BASE=scratch --build-arg VERSION=1.2.3";
        let build = format!(
            "bud --isolation chroot --signature-policy policy.json {arguments} --tag {program}:v1 --file {} image",
            file.display()
        );
        buildah.run("one", &build).ok().await;
        let inspected = buildah.run("one", &format!("inspect --type image {program}:v1")).ok().await.stdout;
        for words in [r#""User": "65532:0""#, &format!("\"/usr/bin/{program}\""), r#""version": "1.2.3""#] {
            assert!(inspected.contains(words), "{words} is not in {inspected}");
        }
    }
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
