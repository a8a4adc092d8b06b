//! The output of the commands beside `serve`, and the next steps that they name.

use reqwest::Method;
use serde_json::json;
use zot_tests::backend::Backend;
use zot_tests::server::Setup;

async fn on_disk() -> Setup {
    Setup::on(&Backend::SqliteDisk.fresh().await)
}

#[tokio::test]
async fn health_is_asked_of_the_server_that_the_configuration_is_of() {
    let setup = on_disk().await.set("extensions.metrics.health.healthPath", "/how");
    let server = setup.start().await;
    let asked = setup.clone().set("http.port", server.address().port()).run(&["health"]).await;
    assert!(asked.success && asked.stdout.contains("healthy"), "{asked:?}");
    let other = setup.set("http.port", 1).run(&["health"]).await;
    assert!(!other.success && other.stderr.contains("127.0.0.1:1/how"), "{other:?}");
}

#[tokio::test]
async fn a_command_before_the_first_start_says_so() {
    for command in ["gc", "fsck", "status", "adopt"] {
        let ended = on_disk().await.run(&[command]).await;
        assert!(
            !ended.success && ended.stderr.contains("no server ran on") && ended.stderr.contains("serve"),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn beside_a_server_nobody_takes_over() {
    let setup = on_disk().await;
    let _server = setup.start().await;
    let ended = setup.run(&["adopt"]).await;
    assert!(!ended.success && ended.stderr.contains("stop it first"), "{ended:?}");
}

#[tokio::test]
async fn a_path_with_percent_signs_is_one_database() {
    let storage = Backend::SqliteDisk.fresh().await;
    let folder = storage.root().display().to_string();
    let setup = |name: &str| Setup::on(&storage).set("database.url", format!("sqlite:{folder}/{name}"));
    let _server = setup("a%62.db").start().await;
    let ended = setup("ab.db").run(&["gc"]).await;
    assert!(ended.success, "{ended:?}");
    let second = setup("ab.db").run(&["serve"]).await;
    assert!(!second.success && second.stderr.contains("another server runs"), "{second:?}");
}

#[tokio::test]
async fn a_dry_run_counts_what_was_deleted_a_moment_ago() {
    let setup = on_disk().await.set("storage.gc", false);
    let server = setup.start().await;
    let client = server.client();
    for (method, path) in [(Method::PUT, "/s3/team"), (Method::PUT, "/s3/team/key"), (Method::DELETE, "/s3/team/key")] {
        assert!(client.request(method, path).send().await.expect("a response").status().is_success());
    }
    let told = setup.run(&["gc", "--dry-run", "--json"]).await.json();
    assert!(told["later"].as_u64() > Some(0), "{told:#}");
}

#[tokio::test]
async fn a_read_only_store_says_so_at_the_s3_api() {
    let server = on_disk().await.set("http.readOnly", true).start().await;
    let put = server.client().request(Method::PUT, "/s3/team/key").body("x").send().await.expect("a response");
    assert_eq!(put.status(), 403);
    assert!(put.text().await.expect("text").contains("read-only"));
}

#[tokio::test]
async fn what_is_told_to_do_next_is_about_the_same_store() {
    let setup = on_disk().await;
    let server = setup.start().await;
    let held = setup.run(&["hold"]).await;
    assert!(held.success && held.stdout.contains("hold --id backup --release --config /"), "{held:?}");
    let unknown = setup.run(&["hold", "--release", "--id", "other"]).await;
    assert!(!unknown.success && unknown.stderr.contains("hold --list --config /"), "{unknown:?}");
    drop(server);
    let adopted = setup.run(&["adopt"]).await;
    assert!(adopted.success && adopted.stdout.contains("hold --id backup --release --config /"), "{adopted:?}");
}

#[tokio::test]
async fn the_first_key_is_for_later_where_access_control_is_off() {
    for enabled in [false, true] {
        let setup = on_disk().await.env("ZOT_ADMIN_ACCESS_KEY", "").env("ZOT_ADMIN_SECRET_KEY", "");
        let server = setup.set("extensions.rbac.enabled", enabled).start().await;
        let said = server.output();
        assert!(said.contains("The admin's access key was made"), "{said}");
        assert_eq!(said.contains("It is for later"), !enabled, "{said}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_with_its_key() {
    let absent = "/nowhere/at/all";
    let kubernetes = json!({"enabled": true, "tokenFile": absent});
    for (key, value, told) in [
        ("extensions.rbac.kubernetes", kubernetes, "extensions.rbac.kubernetes.tokenFile"),
        ("auth.keyFile", json!(absent), "auth.keyFile"),
    ] {
        let said = on_disk().await.set("extensions.rbac.enabled", true).set(key, value).start_refused().await;
        assert!(said.contains(&format!("{told}: {absent}")), "{said}");
    }
}

/// What bash offers behind these words, by the script that the server prints.
fn completed(script: &str, words: &[&str]) -> Vec<String> {
    let ask = format!(
        "{script}\nCOMP_WORDS=(zot-artifact-store {words}); COMP_CWORD={at}; COMP_LINE=\"${{COMP_WORDS[*]}}\"\n\
         _zot__artifact__store zot-artifact-store {last:?} {before}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "),
        at = words.len(),
        last = words[words.len() - 1],
        before = if words.len() > 1 { words[words.len() - 2] } else { "zot-artifact-store" },
    );
    let bash = std::process::Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash");
    assert!(bash.status.success() && bash.stderr.is_empty(), "{words:?}: {bash:?}");
    String::from_utf8_lossy(&bash.stdout).lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_every_word() {
    let script = on_disk().await.run(&["completion", "bash"]).await.stdout;
    let cases: [(&[&str], &[&str]); 9] = [
        (&["au"], &["audit"]),
        (&["audit", "ver"], &["verify"]),
        (&["audit", "verify", "--jo"], &["--journal"]),
        (&["check-config", "--pr"], &["--print"]),
        (&["check-config", "--sc"], &["--schema"]),
        (&["fsck", "--rep"], &["--repair"]),
        (&["completion", "fi"], &["fish"]),
        (&["--log-level", "w"], &["warn"]),
        (&["serve", "--log-level", ""], &["trace", "debug", "info", "warn", "error"]),
    ];
    for (words, offered) in cases {
        assert_eq!(completed(&script, words), offered, "{words:?}");
    }
}

/// Not only that a pool waited in vain.
#[tokio::test]
async fn a_database_that_refuses_is_said_to_refuse() {
    let setup = on_disk().await.set("database.url", "postgres://zot:secret@127.0.0.1:1/zot");
    let ended = setup.run(&["status"]).await;
    assert!(!ended.success && ended.stderr.contains("refused") && !ended.stderr.contains("secret"), "{ended:?}");
}
