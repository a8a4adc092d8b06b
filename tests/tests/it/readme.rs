//! The commands in README.md run as a reader would run them: one block after the other, in bash, with real clients.

use std::path::Path;

use zot_tests::backend::Backend;
use zot_tests::server::{Server, Setup, binary};
use zot_tests::tools::{Home, Printed, tool};
use zot_tests::workspace;

/// The only block that is not run, because the test starts the server itself.
const START_WITH_ACCESS_CONTROL: &str = "make run ARGS=\"--set extensions.rbac.enabled=true\"\n";
/// Ends the script at the first failure, and makes curl fail where HTTP does.
const PRELUDE: &str =
    "set -euxo pipefail\ncurl() { command curl --silent --show-error --fail-with-body \"$@\"; echo; }\n";

#[tokio::test]
async fn the_commands_of_the_readme_work_as_they_stand() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let store = Backend::SqliteDisk.fresh().await;
    // without these the first start generates the admin's key, as it does for a reader
    let generated = Setup::on(&store).env("ZOT_ADMIN_ACCESS_KEY", "").env("ZOT_ADMIN_SECRET_KEY", "").with_s3_port();
    let home = reader().await;

    let mut server = generated.start().await;
    let printed = run(&home, &server, store.root(), &blocks(&readme, "First artifact").concat()).await;
    assert!(printed.stdout.contains("\"reference\":\"data@sha256:"), "{printed}");
    assert_eq!(home.read("out/greetings/hello.txt"), b"hello\n");
    server.kill();

    let mut access_control = blocks(&readme, "Access control");
    assert_eq!(access_control.remove(0), START_WITH_ACCESS_CONTROL, "the first block of README.md, Access control");
    let server = generated.with_access_control().start().await;
    let printed = run(&home, &server, store.root(), &access_control.concat()).await;
    assert!(printed.stdout.contains("\"allowed\":false"), "{printed}");
    assert!(printed.stdout.contains("\"action\":\"manifest.push\""), "{printed}");
    assert_eq!(home.read("public/hello.txt"), b"hello\n");
}

/// The indented blocks below a heading, each with its lines.
fn blocks(document: &str, heading: &str) -> Vec<String> {
    let section = document.split("\n## ").find_map(|section| section.strip_prefix(heading));
    let section = section.expect("README.md has this heading");
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in section.lines() {
        if let Some(command) = line.strip_prefix("    ") {
            if !inside {
                blocks.push(String::new());
            }
            if let Some(block) = blocks.last_mut() {
                block.push_str(command);
                block.push('\n');
            }
        }
        inside = line.starts_with("    ");
    }
    assert!(!blocks.is_empty(), "README.md has no commands below {heading:?}");
    blocks
}

/// A home with the clients that README.md names.
async fn reader() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path().join("bin")).expect("creating the folder");
    for name in ["oras", "crane", "skopeo"] {
        link(&tool(name).await, &home.path().join("bin").join(name));
    }
    let python = format!("{}.env/bin/aws", tool("python-s3").await.display());
    link(Path::new(&python), &home.path().join("bin/aws"));
    home
}

fn link(program: &Path, name: &Path) {
    std::os::unix::fs::symlink(program, name).expect("linking the program");
}

/// Runs commands of README.md against this server instead of the one that `make run` starts.
async fn run(home: &Home, server: &Server, data: &Path, commands: &str) -> Printed {
    let script = commands
        .replace("localhost:8080", &server.address().to_string())
        .replace("localhost:9000", &server.s3_address().to_string())
        .replace("target/release/zot-artifact-store", &binary().display().to_string())
        .replace("storage.rootDirectory=data", &format!("storage.rootDirectory={}", data.display()));
    let path = std::env::var("PATH").expect("PATH");
    let path = format!("{}:{path}", home.path().join("bin").display());
    home.command("bash").arg("-c").arg(format!("{PRELUDE}{script}")).env("PATH", path).ok().await
}
