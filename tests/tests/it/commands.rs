//! What the commands beside `serve` say: whom they ask, and what they tell to do next.

use reqwest::Method;
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
async fn a_read_only_store_says_so_at_the_s3_door() {
    let server = on_disk().await.set("http.readOnly", true).start().await;
    let put = server.client().request(Method::PUT, "/s3/team/key").body("x").send().await.expect("a response");
    assert_eq!(put.status(), 403);
    assert!(put.text().await.expect("text").contains("read-only"));
}

/// Not only that a pool waited in vain.
#[tokio::test]
async fn a_database_that_refuses_is_said_to_refuse() {
    let setup = on_disk().await.set("database.url", "postgres://zot:secret@127.0.0.1:1/zot");
    let ended = setup.run(&["status"]).await;
    assert!(!ended.success && ended.stderr.contains("refused") && !ended.stderr.contains("secret"), "{ended:?}");
}
