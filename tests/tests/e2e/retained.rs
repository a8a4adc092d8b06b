//! Retained data, foreign objects, removed labels, and leftovers.

use serde_json::{Value, json};

use crate::harness::{TestCluster, condition};
use crate::stores::outside;

/// No server uses a Secret that somebody else created first.
#[tokio::test]
async fn a_planted_secret_opens_no_store() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.secret("store-admin", &[("access-key", "evil"), ("secret-key", "evil-secret-0123456789")]).await;
    space.store("store", &json!({})).await;
    let store = space.until_condition("store", "Ready", "False", "Conflict").await;
    assert!(condition(&store, "Degraded")["message"].to_string().contains("store-admin"), "{store:#}");
    assert!(space.get("deploy/store").await.is_none());
    space.run("delete secret store-admin").await;
    space.until_ready("store").await;
}

/// A foreign Deployment of the store's name is left alone.
#[tokio::test]
async fn a_foreign_deployment_is_left_alone() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "store", "namespace": space.name },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": "other" } },
            "template": {
                "metadata": { "labels": { "app": "other" } }, "spec": { "containers": [{ "name": "other", "image": "other" }] },
            },
        },
    });
    cluster.apply(&deployment).await;
    space.store("store", &json!({})).await;
    let store = space.until_condition("store", "Ready", "False", "Conflict").await;
    assert!(condition(&store, "Ready")["message"].to_string().contains("Deployment store"), "{store:#}");
    assert_eq!(condition(&store, "Available")["status"], "False", "{store:#}");
    space.run("delete deploy store").await;
    space.until_ready("store").await;
}

/// A claim that is being deleted is reported while its server runs. No empty volume replaces it.
#[tokio::test]
async fn a_deleted_volume_is_reported() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.admin("store").await.push_image("team/app", "v1", vec![7; 1000]).await;
    space.run("delete pvc store-data --wait=false").await;
    let store = space.until_condition("store", "StorageReady", "False", "VolumeLost").await;
    assert_eq!(condition(&store, "Degraded")["status"], "True", "{store:#}");
    // the store still serves, and no change stops its server
    let pods = async || {
        let pods = space.get("pods -l app=zot-artifact-store").await.expect("pods");
        pods["items"].as_array().expect("pods").iter().map(|pod| pod["metadata"]["uid"].clone()).collect::<Vec<_>>()
    };
    let before = pods().await;
    space.store("store", &json!({"log": {"level": "debug"}})).await;
    space.until_condition("store", "StorageReady", "False", "VolumeLost").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(pods().await, before);
    space.admin("store").await.get_manifest("team/app", "v1").await.expect_status(200);
    space.run("delete pod -l app=zot-artifact-store --wait=false").await;
    space.until_gone("pvc/store-data").await;
    let gone = |it: &Value| condition(it, "Ready")["message"].to_string().contains("is gone");
    space.until("zas/store", "it is gone", gone).await;
    assert!(space.get("pvc/store-data").await.is_none());
    // the message suggests this
    space.run("delete deploy store").await;
    space.until_ready("store").await;
    space.admin("store").await.get_manifest("team/app", "v1").await.expect_status(404);
}

#[tokio::test]
async fn a_volume_that_cannot_grow_blocks_nothing_else() {
    let cluster = TestCluster::open();
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "zot-e2e-fixed" },
        "provisioner": "cluster.zot.test/local-path", "volumeBindingMode": "WaitForFirstConsumer",
    });
    cluster.apply(&class).await;
    let space = cluster.space().await;
    let mut spec = json!({ "storage": { "size": "1Gi", "storageClass": "zot-e2e-fixed" } });
    space.store("store", &spec).await;
    space.until_ready("store").await;
    spec["storage"]["size"] = json!("5Gi");
    spec["log"] = json!({ "level": "debug" });
    space.store("store", &spec).await;
    let store = space.until_condition("store", "Degraded", "True", "VolumeNotResized").await;
    assert!(condition(&store, "Degraded")["message"].to_string().contains("store-data"), "{store:#}");
    space.until_ready("store").await;
    let config = space.get("configmap/store-config").await.expect("it");
    assert!(config["data"]["config.yaml"].as_str().is_some_and(|it| it.contains("level: debug")));
    cluster.run("delete storageclass zot-e2e-fixed").await;
}

/// Removed labels are restored. An account that the user takes over stays.
#[tokio::test]
async fn labels_are_restored() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.run("label service/store app.kubernetes.io/managed-by-").await;
    space.run("label deploy/store app.kubernetes.io/instance=other --overwrite").await;
    // objects without the labels trigger no reconciliation
    space.run("annotate zas/store look=here").await;
    for object in ["service/store", "deploy/store"] {
        space
            .until(object, "its labels", |it| {
                it["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "zot-artifact-store-operator"
                    && it["metadata"]["labels"]["app.kubernetes.io/instance"] == "store"
            })
            .await;
    }
    space.run("rollout pause deploy/store").await;
    space.until("deploy/store", "it goes on", |it| it["spec"]["paused"] != true).await;
    space.store("store", &json!({"serviceAccount": {"name": "store"}})).await;
    space.until_ready("store").await;
    assert!(space.get("serviceaccount/store").await.is_some());
}

/// Several wrong values leave one preflight Job. A corrected image is checked at once.
#[tokio::test]
async fn preflights_do_not_pile_up() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, whole) = outside(&space).await;
    let mut spec = whole.clone();
    for number in 0..4 {
        spec["database"]["postgres"]["database"] = json!(format!("absent-{number}"));
        space.store("store", &spec).await;
        space.until_condition("store", "DatabaseReady", "False", "DatabaseNotFound").await;
    }
    let jobs = space.get("jobs").await.expect("jobs");
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1), "{jobs:#}");
    spec = whole.clone();
    spec["image"] = json!({ "repository": "registry.invalid/store", "tag": "1" });
    space.store("store", &spec).await;
    space.until_condition("store", "Ready", "False", "ImagePullFailed").await;
    space.store("store", &whole).await;
    space.until_ready("store").await;
    let deployment = space.get("deploy/store").await.expect("it");
    // a key that servers do not read causes no rollout
    space.run(r#"patch secret store-postgres -p {"stringData":{"note":"x"}}"#).await;
    space.run("annotate zas/store look=here").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let after = space.get("deploy/store").await.expect("it");
    assert_eq!(after["metadata"]["generation"], deployment["metadata"]["generation"]);
}

/// Objects that an earlier version or generation created are deleted. Similar objects without an owner reference are not.
#[tokio::test]
async fn leftovers_are_removed() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    let store = space.until_ready("store").await;
    let labels = json!({
        "app.kubernetes.io/managed-by": "zot-artifact-store-operator", "app.kubernetes.io/instance": "store",
    });
    let owner = json!([{
        "apiVersion": "artifact.zotregistry.io/v1alpha1", "kind": "ZotArtifactStore", "name": "store",
        "uid": store["metadata"]["uid"], "controller": true,
    }]);
    let no_pod = json!({
        "replicas": 0, "selector": { "matchLabels": { "app": "old" } },
        "template": { "metadata": { "labels": { "app": "old" } }, "spec": { "containers": [{ "name": "old", "image": "old" }] } },
    });
    let port = json!({ "ports": [{ "port": 80 }], "selector": { "app": "old" } });
    let kinds = [
        ("v1", "ConfigMap", Value::Null),
        ("v1", "ServiceAccount", Value::Null),
        ("v1", "Service", port),
        ("apps/v1", "Deployment", no_pod),
    ];
    for (version, kind, spec) in &kinds {
        for (name, owners) in [("old", owner.clone()), ("alike", Value::Null)] {
            let metadata = json!({
                "name": name, "namespace": space.name, "labels": labels, "ownerReferences": owners,
            });
            let mut document = json!({ "apiVersion": version, "kind": kind, "metadata": metadata });
            if !spec.is_null() {
                document["spec"] = spec.clone();
            }
            cluster.apply(&document).await;
        }
    }
    for (_, kind, _) in &kinds {
        space.until_gone(&format!("{kind}/old")).await;
        assert!(space.get(&format!("{kind}/alike")).await.is_some(), "{kind}");
    }
    space.until_ready("store").await;
}
