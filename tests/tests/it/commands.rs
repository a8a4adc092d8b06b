//! The output of the commands beside `serve`, and the next steps that they name.

use reqwest::Method;
use serde_json::json;
use zot_tests::backend::Backend;
use zot_tests::server::Setup;

async fn on_disk() -> Setup {
    Setup::on(&Backend::SqliteDisk.fresh().await)
}

#[tokio::test]
async fn health_asks_the_server_with_this_configuration() {
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
async fn adopt_is_refused_beside_a_server() {
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
async fn suggested_commands_are_for_the_same_store() {
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
        assert!(said.contains("The admin's access key was created"), "{said}");
        assert_eq!(said.contains("No client needs it"), !enabled, "{said}");
    }
}

/// What a shell has in these two variables after this command.
async fn exported(setup: &Setup) -> (String, String) {
    let exports = setup.run(&["admin-key", "--export"]).await;
    assert!(exports.success, "{exports:?}");
    let script = format!("{}\nprintf '%s %s' \"$ZOT_ADMIN_ACCESS_KEY\" \"$ZOT_ADMIN_SECRET_KEY\"", exports.stdout);
    let bash = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash");
    let printed = String::from_utf8_lossy(&bash.stdout).into_owned();
    let (id, secret) = printed.split_once(' ').expect("two words");
    (id.to_owned(), secret.to_owned())
}

#[tokio::test]
async fn a_shell_gets_the_admin_key_of_the_data_directory() {
    let setup = on_disk().await.with_access_control().env("ZOT_ADMIN_ACCESS_KEY", "").env("ZOT_ADMIN_SECRET_KEY", "");
    let early = setup.run(&["admin-key", "--export"]).await;
    assert!(!early.success && early.stdout.is_empty(), "{early:?}");
    assert!(early.stderr.contains("admin-key.json does not exist") && early.stderr.contains("serve"), "{early:?}");
    let server = setup.start().await;
    let (id, secret) = exported(&setup).await;
    let client = server.client();
    client.with_key(&id, &secret).get("/v2/_catalog").await.expect_status(200);
    client.with_key(&id, "wrong-secret").get("/v2/_catalog").await.expect_status(401);
    // stderr has what the command prints, once; the log never has the secret
    let said = server.output();
    assert!(said.contains(&format!("export ZOT_ADMIN_SECRET_KEY={secret}")), "{said}");
    assert_eq!(said.matches(&secret).count(), 1, "{said}");
    assert!(!server.log().contains(&secret));
    let shown = setup.run(&["admin-key"]).await;
    assert!(shown.stdout.contains(&id) && !shown.stdout.contains(&secret), "{shown:?}");
}

#[tokio::test]
async fn help_puts_shared_options_under_one_heading() {
    for command in ["serve", "fsck", "audit", "migrate-config"] {
        let help = on_disk().await.run(&[command, "--help"]).await.stdout;
        assert!(help.contains("Configuration options:\n      --config <PATH>"), "{help}");
    }
    let help = on_disk().await.run(&["--help"]).await.stdout;
    assert!(help.contains("Examples:") && help.contains("admin-key --export"), "{help}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_with_its_key() {
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

/// What bash completes these words to, with the script that the server prints.
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

/// `status` on this database URL.
async fn status_on(url: &str) -> String {
    let ended = on_disk().await.set("database.url", url).run(&["status"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.stderr
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_named_with_reason_and_remedy() {
    let storage = Backend::PostgresS3.fresh().await;
    let url = storage.database().expect("a URL").to_owned();
    let (server, name) = url.rsplit_once('/').expect("a database");
    let (scheme, rest) = server.split_once("://").expect("a scheme");
    let host = rest.rsplit('@').next().expect("a host");
    let user = rest.split([':', '@']).next().expect("a user");
    for (url, wanted) in [
        ("postgres://zot:hunter2@127.0.0.1:1/zot".to_owned(), vec!["127.0.0.1:1", "refused", "database.url"]),
        (
            format!("{scheme}://{user}:hunter2@{host}/{name}"),
            vec![host, "password authentication failed", "correct the user and the password in database.url"],
        ),
        (
            format!("{server}/no-such%20name"),
            vec![host, "does not exist", "create it with `createdb 'no-such name'`", "database.url"],
        ),
    ] {
        let said = status_on(&url).await;
        assert!(wanted.iter().all(|text| said.contains(text)), "{wanted:?}: {said}");
        let password = url.split(['@', ':']).nth(2).expect("a password");
        assert!(!said.contains(password) && !said.contains(" at line "), "{said}");
    }
}
