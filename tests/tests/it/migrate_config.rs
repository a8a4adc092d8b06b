//! A configuration of zot, migrated: the policies are sent to a running server, and decide as zot did.

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::backend::Backend;
use zot_tests::client::Client;
use zot_tests::server::Setup;
use zot_tests::tools::Home;

use crate::access_keys::account;

const ZOT: &str = r#"{
  "distSpecVersion": "1.1.0",
  "storage": { "rootDirectory": "/srv/zot", "dedupe": true, "commit": true },
  "http": {
    "address": "127.0.0.1", "port": "5000",
    "auth": { "htpasswd": { "path": "/nowhere/htpasswd" } },
    "accessControl": {
      "groups": { "devs": { "users": ["alice", "bob"] } },
      "repositories": {
        "**": { "policies": [{ "groups": ["devs"], "actions": ["read", "create", "update"] }] },
        "team/private/**": { "policies": [{ "users": ["alice"], "actions": ["read", "create"] }] },
        "open/**": { "anonymousPolicy": ["read"], "policies": [{ "users": ["bob"], "actions": ["read", "create", "delete"] }] }
      },
      "adminPolicy": { "users": ["root"], "actions": ["read", "create", "update", "delete"] }
    }
  },
  "extensions": { "search": { "enable": true } }
}"#;

/// Whether a blob can be pushed.
async fn may_push(client: &Client, repository: &str) -> bool {
    let status = client.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), &Value::Null).await.status;
    assert!([202, 401, 403].contains(&status.as_u16()), "{status}");
    status == 202
}

async fn may_pull(client: &Client, repository: &str) -> bool {
    client.get_manifest(repository, "v1").await.status == 200
}

#[tokio::test]
async fn migrated_policies_decide_as_zot_did() {
    let home = Home::new();
    let file = home.write("zot.json", ZOT).to_string_lossy().into_owned();
    let setup = Setup::on(&Backend::SqliteDisk.fresh().await).with_access_control();
    let (config, policies) = (home.path().join("store.yaml"), home.path().join("policies"));
    let out = [config.to_string_lossy(), policies.to_string_lossy()];
    let arguments = ["migrate-config", &file, "--config-out", &out[0], "--policies-out", &out[1]];
    let ended = setup.run(&arguments).await;
    assert!(ended.success && ended.stdout.is_empty(), "{ended:?}");
    for warning in
        ["extensions.search", "storage.commit", "http.auth.htpasswd", "access key for each user", "skopeo sync"]
    {
        assert!(ended.stderr.contains(warning), "{warning}: {ended:?}");
    }
    let checked = setup.run(&["--config", &out[0], "check-config", "--print"]).await;
    assert!(!checked.success, "--config is there twice: {checked:?}");
    let text = String::from_utf8(home.read("store.yaml")).expect("text");
    assert!(text.contains("enabled: true") && text.contains("port: 5000") && !text.contains("accessControl"), "{text}");

    let server = setup.start().await;
    let admin = server.client();
    for repository in ["team/app", "team/private/app", "open/app"] {
        admin.push_image(repository, "v1", vec![1; 100]).await;
    }
    let mut files: Vec<_> =
        std::fs::read_dir(&policies).expect("policies").map(|it| it.expect("a file").path()).collect();
    files.sort();
    for file in &files {
        let policy: Value = serde_json::from_slice(&std::fs::read(file).expect("a policy")).expect("JSON");
        admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    }
    let mut clients = Vec::new();
    for name in ["alice", "bob", "root"] {
        clients.push(account(&admin, name, &[]).await.client(&admin));
    }
    let (alice, bob, root) = (&clients[0], &clients[1], &clients[2]);
    let nobody = &admin.with(None);
    for (who, repository, pulls, pushes) in [
        (alice, "team/app", true, true),
        (bob, "team/app", true, true),
        (nobody, "team/app", false, false),
        (alice, "team/private/app", true, true),
        (bob, "team/private/app", false, false),
        (root, "team/private/app", true, true),
        (alice, "open/app", true, false),
        (bob, "open/app", true, true),
        (nobody, "open/app", true, false),
    ] {
        let name = clients.iter().position(|it| std::ptr::eq(it, who));
        assert_eq!(may_pull(who, repository).await, pulls, "pull of {repository} by {name:?}");
        assert_eq!(may_push(who, repository).await, pushes, "push to {repository} by {name:?}");
    }
    alice.push_image("team/other", "v1", vec![2; 100]).await;
    bob.get_manifest("team/other", "v1").await.expect_status(200);

    let again = setup.run(&arguments).await;
    assert!(!again.success && again.stderr.contains("store.yaml"), "nothing is overwritten: {again:?}");
    let printed = setup.run(&arguments[..2]).await.stdout;
    assert_eq!(printed.matches("\n---\n{").count(), files.len(), "{printed}");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_no_open_store() {
    let home = Home::new();
    for (http, wanted) in [
        (json!({"accessControl": {"repositories": {"**": {"allow": ["read"]}}}}), "unknown field `allow`"),
        (json!({"tls": {"cert": "/c"}, "accessControl": {}}), "http.tls.key"),
        (json!({"auth": true}), "`http.auth`"),
        (json!({"Auth": ["htpasswd"]}), "`http.auth`"),
    ] {
        let file = home.write("zot.json", json!({ "http": http }).to_string()).to_string_lossy().into_owned();
        let ended = Setup::on(&Backend::SqliteDisk.fresh().await).run(&["migrate-config", &file]).await;
        assert!(!ended.success && ended.stdout.is_empty() && ended.stderr.contains(wanted), "{ended:?}");
    }
}
