//! Reports about problems: images, crashes, backends, lost keys, misspelt annotations.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestCluster, condition};
use crate::stores::{outside, outside_by};

fn says(store: &Value, kind: &str, words: &[&str]) {
    let message = condition(store, kind)["message"].to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{words:?} are missing in {message}");
}

/// Case 10: an image cannot be pulled. Running servers keep serving, and a corrected image is rolled out.
#[tokio::test]
async fn case_10_an_image_that_cannot_be_pulled() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let absent = json!({ "repository": "registry.invalid/store", "tag": "1" });
    space.store("fresh", &json!({ "image": absent })).await;
    let fresh = space.until_condition("fresh", "Ready", "False", "ImagePullFailed").await;
    says(&fresh, "Degraded", &["registry.invalid/store:1"]);
    assert_eq!(fresh["status"]["phase"], "Failed", "{fresh:#}");
    assert!(!space.events("ImagePullFailed").await.is_empty());
    let (_storage, mut spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    spec["image"] = absent;
    space.store("store", &spec).await;
    let failed = space.until_condition("store", "Degraded", "True", "ImagePullFailed").await;
    assert_eq!(condition(&failed, "Available")["status"], "True", "{failed:#}");
    space.admin("store").await.push_image("team/app", "v1", vec![7; 1000]).await;
    spec["image"] = json!({});
    // a number instead of a quantity
    spec["resources"]["limits"] = json!({ "cpu": 2, "memory": "256Mi" });
    space.store("store", &spec).await;
    let ready = space.until_ready("store").await;
    assert_eq!(condition(&ready, "Degraded")["status"], "False", "{ready:#}");
    let container = &space.get("deploy/store").await.expect("it")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], "2");
}

#[tokio::test]
async fn servers_that_do_not_start_are_reported() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.secret("garbage", &[("tls.crt", "no certificate"), ("tls.key", "no key")]).await;
    space.secret("short", &[("access-key", "admin"), ("secret-key", "b")]).await;
    for (name, spec, reason, words) in [
        (
            "crashes",
            json!({"http": {"tls": {"enabled": true, "certSecretName": "garbage"}}}),
            "ServerCrashes",
            "exit code",
        ),
        ("short", json!({"rbac": {"adminSecret": {"name": "short"}}}), "SecretInvalid", "8 characters"),
        ("homeless", json!({"nodeSelector": {"disk": "none"}}), "PodUnschedulable", "node"),
        ("nobody", json!({"serviceAccount": {"name": "absent"}}), "PodRefused", "absent"),
    ] {
        space.store(name, &spec).await;
        let store = space.until_condition(name, "Ready", "False", reason).await;
        says(&store, "Degraded", &[words]);
        assert!(!space.events(reason).await.is_empty(), "{reason}");
    }
}

/// A database goes away while the store serves. The cause is reported, and the recovery too.
#[tokio::test]
async fn a_lost_backend_is_reported() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, mut spec, postgres) = outside_by(&space).await;
    spec["replicas"] = json!(2);
    space.store("store", &spec).await;
    space.until_ready("store").await;
    postgres.cut(true);
    let store = space.until_condition("store", "DatabaseReady", "False", "DatabaseUnreachable").await;
    assert_eq!(condition(&store, "Ready")["status"], "False", "{store:#}");
    assert_eq!(condition(&store, "Degraded")["status"], "True", "{store:#}");
    assert!(!space.events("DatabaseUnreachable").await.is_empty());
    postgres.cut(false);
    space.until_ready("store").await;
}

/// A lost master key is not replaced by a new one.
#[tokio::test]
async fn a_lost_master_key_is_reported() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let mut kept = space.get("secret/store-keys").await.expect("the master key");
    space.run("delete secret store-keys").await;
    let store = space.until_condition("store", "DatabaseReady", "False", "MasterKeyMissing").await;
    says(&store, "Ready", &["store-keys", "backup"]);
    assert!(space.get("secret/store-keys").await.is_none());
    // restore the Secret without its labels
    for field in ["resourceVersion", "uid", "managedFields", "creationTimestamp", "labels"] {
        kept["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    cluster.apply(&kept).await;
    let store = space.until_condition("store", "Ready", "False", "Conflict").await;
    says(&store, "Ready", &["store-keys", "restored", "app.kubernetes.io/managed-by"]);
    let labels = "app.kubernetes.io/managed-by=zot-artifact-store-operator app.kubernetes.io/instance=store";
    space.run(&format!("label secret store-keys {labels}")).await;
    space.until_ready("store").await;
    let admin = space.admin("store").await;
    admin
        .send(
            Method::POST,
            "/api/v1/rbac/policies",
            &json!({"resource": "team/*", "actions": ["read"], "principals": ["user:x"]}),
        )
        .await
        .expect_status(201);
}

#[tokio::test]
async fn a_misspelt_annotation_is_reported() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.run("annotate zas/store artifact.zotregistry.io/reconcile=pause").await;
    let store = space.until("zas/store", "the refusal", |it| condition(it, "SpecValid")["status"] == "False").await;
    says(&store, "SpecValid", &["\\\"pause\\\"", "\\\"paused\\\""]);
    space.run("annotate zas/store artifact.zotregistry.io/reconcile-").await;
    space.until_ready("store").await;
}
