//! `oras`: artifacts of any kind, their referrers, and what a reader is denied.

use zot_tests::backend::Backend;
use zot_tests::client::{Credentials, digest};
use zot_tests::server::{ADMIN, READER, Server};
use zot_tests::tools::{Home, Run, tool};

crate::on_both_backends!(pulls_the_very_bytes_that_it_pushed, discovers_what_it_attached, is_refused_a_push_as_reader);

#[tokio::test]
async fn needs_no_login_where_access_control_is_off() {
    let server = Server::open(Backend::SqliteDisk).await;
    let oras = Oras::new(&server).await;
    oras.home.write("file.bin", noise());
    oras.run("push", "team/open:v1").arg("file.bin:application/octet-stream").ok().await;
    oras.run("pull", "team/open:v1").words("--output out").ok().await;
    assert_eq!(digest(&oras.home.read("out/file.bin")), digest(&noise()));
}

async fn pulls_the_very_bytes_that_it_pushed(backend: Backend) {
    let server = Server::guarded(backend).await;
    let oras = Oras::new(&server).await;
    oras.login(ADMIN).await;
    oras.home.write("file.bin", noise());
    oras.run("push", "team/tool:v1").words("--artifact-type application/vnd.example.tool file.bin").ok().await;

    oras.login(READER).await;
    oras.run("pull", "team/tool:v1").words("--output out").ok().await;
    let sums = oras.home.command("sha256sum").words("file.bin out/file.bin").ok().await;
    let sums: Vec<&str> = sums.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(sums[0], sums[1]);
    let tags = oras.home.command(&oras.program).words(&format!("repo tags --plain-http {}/team/tool", oras.host));
    assert_eq!(tags.ok().await.stdout.trim(), "v1");
}

async fn discovers_what_it_attached(backend: Backend) {
    let server = Server::guarded(backend).await;
    let oras = Oras::new(&server).await;
    oras.login(ADMIN).await;
    oras.home.write("file.bin", noise());
    oras.home.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    oras.run("push", "team/tool:v1").arg("file.bin").ok().await;
    let attached = "--artifact-type application/spdx+json sbom.json:application/spdx+json";
    oras.run("attach", "team/tool:v1").words(attached).ok().await;
    let other = "--artifact-type application/vnd.example.note sbom.json:application/json";
    oras.run("attach", "team/tool:v1").words(other).ok().await;

    oras.login(READER).await;
    let all = oras.run("discover", "team/tool:v1").words("--format json").ok().await.stdout;
    assert!(all.contains("application/spdx+json") && all.contains("application/vnd.example.note"), "{all}");
    let filter = "--format json --artifact-type application/spdx+json";
    let some = oras.run("discover", "team/tool:v1").words(filter).ok().await.stdout;
    assert!(some.contains("application/spdx+json") && !some.contains("application/vnd.example.note"), "{some}");
}

async fn is_refused_a_push_as_reader(backend: Backend) {
    let server = Server::guarded(backend).await;
    let oras = Oras::new(&server).await;
    oras.home.write("file.bin", noise());
    oras.run("push", "team/tool:v1").arg("file.bin").fails().await; // nobody
    oras.login(READER).await;
    let refused = oras.run("push", "team/tool:v1").arg("file.bin").fails().await;
    assert!(refused.stderr.contains("denied") || refused.stderr.contains("unauthorized"), "{refused}");
    let wrong = Credentials { secret: "wrong", ..READER };
    oras.try_login(wrong).fails().await;
}

/// The program with a home of its own and the server it talks to.
struct Oras {
    home: Home,
    program: std::path::PathBuf,
    host: String,
}

impl Oras {
    async fn new(server: &Server) -> Self {
        Self { home: Home::new(), program: tool("oras").await, host: server.address().to_string() }
    }

    /// A subcommand on a reference of the server.
    fn run(&self, subcommand: &str, reference: &str) -> Run {
        self.home.command(&self.program).words(&format!("{subcommand} --plain-http {}/{reference}", self.host))
    }

    fn try_login(&self, key: Credentials) -> Run {
        let login = format!("login --plain-http --username {} --password-stdin {}", key.id, self.host);
        self.home.command(&self.program).words(&login).input(key.secret)
    }

    async fn login(&self, key: Credentials) {
        self.try_login(key).ok().await;
    }
}

/// A few megabytes that no compression or chunk size flatters.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(6 * 1024 * 1024 / 8 + 3).flatten().collect()
}
