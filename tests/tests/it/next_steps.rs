//! Errors and hints say what failed, why, and what to run or change next.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::server::{Ended, Setup};
use zot_tests::tools::Home;

async fn on_disk() -> Setup {
    Setup::on(&Backend::SqliteDisk.fresh().await)
}

/// With the admin's key in the data directory.
async fn with_own_key() -> Setup {
    on_disk().await.env("ZOT_ADMIN_ACCESS_KEY", "").env("ZOT_ADMIN_SECRET_KEY", "")
}

fn assert_says(ended: &Ended, wanted: &[&str]) {
    assert!(!ended.success && wanted.iter().all(|text| ended.stderr.contains(text)), "{wanted:?}: {ended:?}");
}

#[tokio::test]
async fn the_first_start_prints_a_command_that_finds_the_key() {
    let setup = with_own_key().await;
    let server = setup.start().await;
    let said = server.output();
    let command = said.split_once("Later, `").expect("a hint").1.split_once('`').expect("its end").0;
    let script = format!("{command}; printf %s \"$ZOT_ADMIN_SECRET_KEY\"");
    let shell = std::process::Command::new("bash").env_clear().args(["--norc", "-c", &script]).output().expect("bash");
    let secret = String::from_utf8_lossy(&shell.stdout).into_owned();
    assert!(secret.len() > 8 && said.contains(&secret), "{shell:?}: {said}");
    assert!(!said.contains("shown only once"), "{said}");
}

#[tokio::test]
async fn the_next_command_repeats_set() {
    let setup = on_disk().await;
    let _server = setup.start().await;
    let held = setup.run(&["hold", "--set", "limits.requestTimeout=1m"]).await;
    assert!(held.success && held.stdout.contains(" --set limits.requestTimeout=1m"), "{held:?}");
}

#[tokio::test]
async fn a_command_before_the_first_start_names_the_remedy_on_both_databases() {
    for backend in [Backend::SqliteDisk, Backend::PostgresS3] {
        let setup = Setup::on(&backend.fresh().await);
        for words in
            ["status", "gc", "gc --dry-run", "fsck", "audit verify", "audit export", "hold", "hold --list", "adopt"]
        {
            let ended = setup.run(&words.split(' ').collect::<Vec<_>>()).await;
            assert_says(&ended, &["no server ran on", "start one with `serve`", "--config", "--set"]);
        }
    }
}

/// What `check-config` says, which must be a refusal.
async fn refused(setup: Setup, wanted: &[&str]) {
    assert_says(&setup.run(&["check-config"]).await, wanted);
}

#[tokio::test]
async fn check_config_refuses_one_port_for_two_listeners() {
    let setup = on_disk().await.set("http.port", 9000).set("extensions.s3api.port", 9000);
    let both = "http.port and extensions.s3api.port are both 9000: change one of them";
    refused(setup.clone(), &[both]).await;
    assert!(setup.set("extensions.s3api.enabled", false).run(&["check-config"]).await.success);
}

#[tokio::test]
async fn check_config_refuses_an_admin_key_that_serve_refuses() {
    for (access, secret, wanted) in [
        ("admin", "", vec!["ZOT_ADMIN_SECRET_KEY is not set", "ZOT_ADMIN_ACCESS_KEY"]),
        ("admin", "short", vec!["ZOT_ADMIN_SECRET_KEY has fewer than 8 characters"]),
        ("ad:min", "long-enough", vec!["ZOT_ADMIN_ACCESS_KEY contains a colon"]),
    ] {
        let setup = on_disk().await.env("ZOT_ADMIN_ACCESS_KEY", access).env("ZOT_ADMIN_SECRET_KEY", secret);
        refused(setup, &wanted).await;
    }
}

#[tokio::test]
async fn check_config_refuses_files_that_are_not_there() {
    let absent = json!({"cert": "/nowhere/cert.pem", "key": "/nowhere/key.pem", "cacert": "/nowhere/ca.pem"});
    let setup = on_disk()
        .await
        .set("http.tls", absent)
        .set("auth.keyFile", "/nowhere/keys")
        .set("log.output", "/nowhere/log")
        .set("log.audit", "/nowhere/audit");
    refused(
        setup,
        &[
            "http.tls.cert: /nowhere/cert.pem",
            "http.tls.key: /nowhere/key.pem",
            "http.tls.cacert: /nowhere/ca.pem",
            "auth.keyFile: /nowhere/keys",
            "log.output: /nowhere/log",
            "log.audit: /nowhere/audit",
            "create",
        ],
    )
    .await;
    let folder = Home::new();
    let log = folder.path().join("log").display().to_string();
    assert!(on_disk().await.set("log.output", log).run(&["check-config"]).await.success);
    assert!(!folder.path().join("log").exists());
}

#[tokio::test]
async fn a_hold_that_is_not_there_cannot_be_extended() {
    let setup = on_disk().await;
    let _server = setup.start().await;
    let renewed = setup.run(&["hold", "--renew"]).await;
    assert_says(&renewed, &["there is no hold backup to extend; leave out --renew to create one"]);
    assert!(setup.run(&["hold"]).await.success);
    assert!(setup.run(&["hold", "--renew"]).await.success);
}

#[tokio::test]
async fn health_says_why_a_server_does_not_answer() {
    let setup = on_disk().await;
    let server = setup.start().await;
    let address = server.address();
    let https = format!("https://{address}/health");
    for (url, wanted) in [
        (format!("localhost:{}/health", address.port()), "http://localhost:"),
        (format!("{address}/health"), "the scheme is missing: write http://"),
        ("http://127.0.0.1:1/health".to_owned(), "onnection refused"),
        (https, "does not speak TLS"),
    ] {
        let asked = setup.run(&["health", "--url", &url]).await;
        assert_says(&asked, &[&url, wanted]);
        assert!(!asked.stderr.contains("builder error"), "{asked:?}");
    }
}

#[tokio::test]
async fn admin_key_says_that_the_environment_wins() {
    let setup = on_disk().await;
    let exported = setup.run(&["admin-key", "--export"]).await;
    assert!(exported.success && exported.stdout.contains("export ZOT_ADMIN_ACCESS_KEY=test-admin"), "{exported:?}");
    assert!(exported.stderr.contains("environment"), "{exported:?}");
}

#[tokio::test]
async fn a_refused_start_names_key_value_and_remedy() {
    for (key, value, wanted) in [
        ("log.output", json!("/nowhere/log"), vec!["log.output: /nowhere/log: ", "create the directory"]),
        ("auth.keyFile", json!("/nowhere/keys"), vec!["auth.keyFile: /nowhere/keys: ", "openssl rand -hex 32"]),
        (
            "database.url",
            json!("sqlite:/nowhere/x.db"),
            vec!["database.url", "/nowhere does not exist", "create the directory"],
        ),
        (
            "http.tls",
            json!({"cert": "/nowhere/cert.pem", "key": "/nowhere/key.pem"}),
            vec!["http.tls.cert: /nowhere/cert.pem: ", "No such file", "correct http.tls.cert"],
        ),
        (
            "extensions.rbac",
            json!({"enabled": true, "kubernetes": {"enabled": true, "audiences": ["zot"], "tokenFile": "/nowhere/token"}}),
            vec![
                "extensions.rbac.kubernetes.tokenFile: /nowhere/token",
                "only in a pod",
                "kubernetes.enabled to false",
            ],
        ),
    ] {
        let said = on_disk().await.set(key, value).start_refused().await;
        assert!(wanted.iter().all(|text| said.contains(text)), "{key}: {wanted:?}: {said}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_with_its_key() {
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let (one, other, home) = (made("one"), made("other"), Home::new());
    let cert = home.write("cert.pem", one.cert.pem());
    let key = home.write("other.pem", other.signing_key.serialize_pem());
    for (key, wanted) in [
        (&key, vec!["http.tls.key", "other.pem", "is not the key of", "cert.pem"]),
        (&cert, vec!["http.tls.key", "cert.pem", "contains a certificate, not a private key"]),
    ] {
        let tls: Value = json!({"cert": cert, "key": key});
        let said = on_disk().await.set("http.tls", tls).start_refused().await;
        assert!(wanted.iter().all(|text| said.contains(text)), "{wanted:?}: {said}");
    }
}

#[tokio::test]
async fn damaged_files_of_the_store_are_named_with_a_remedy() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).env("ZOT_ADMIN_ACCESS_KEY", "").env("ZOT_ADMIN_SECRET_KEY", "");
    std::fs::create_dir_all(storage.root()).expect("a folder");
    let key = storage.root().join("admin-key.json");
    std::fs::write(&key, "{").expect("writing");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let broken = setup.run(&["admin-key", "--export"]).await;
    assert_says(&broken, &["admin-key.json", "restore it from a backup", "start the server again"]);
    std::fs::write(storage.root().join("metadata.db"), "nothing that SQLite reads".repeat(99)).expect("writing");
    let said = setup.start_refused().await;
    assert!(said.contains("is not a database") && said.contains("restore it from a backup"), "{said}");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_told_what_to_do() {
    let setup = on_disk().await;
    let _server = setup.start().await;
    let said = setup.start_refused().await;
    assert!(said.contains("stop the other server, or set another storage.rootDirectory"), "{said}");
}

#[tokio::test]
async fn a_file_of_an_argument_is_named_with_the_argument() {
    let setup = on_disk().await;
    let _server = setup.start().await;
    let report = setup.run(&["preflight", "--report", "/nowhere/x"]).await;
    assert_says(&report, &["--report /nowhere/x: ", "directory"]);
    let journal = setup.run(&["audit", "verify", "--journal", "/nowhere"]).await;
    assert_says(&journal, &["--journal /nowhere: ", "log.audit"]);
}
