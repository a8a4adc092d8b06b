//! Drift, paused stores, dry runs and growing volumes.

use serde_json::{Value, json};

use crate::harness::{TestCluster, condition};

/// Case 8: the operator restores its own fields, and keeps those of others.
#[tokio::test]
async fn case_08_drift_is_corrected() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.run("label service/store team=blue").await;
    space
        .run(r#"patch service/store --type=json -p=[{"op":"replace","path":"/spec/ports/0/port","value":1234}]"#)
        .await;
    space.until("service/store", "its port", |it| it["spec"]["ports"][0]["port"] == 8080).await;
    assert_eq!(space.get("service/store").await.expect("it")["metadata"]["labels"]["team"], "blue");
    space.run("delete configmap/store-config").await;
    space.until("configmap/store-config", "the ConfigMap", |it| it["data"]["config.yaml"].is_string()).await;
    space.run("scale deploy/store --replicas=0").await;
    space.until("deploy/store", "its number", |it| it["spec"]["replicas"] == 1).await;
    let uid = space.get("deploy/store").await.expect("it")["metadata"]["uid"].clone();
    space.run("delete deploy/store").await;
    space
        .until("deploy/store", "another Deployment", |it| {
            it["metadata"]["uid"].is_string() && it["metadata"]["uid"] != uid
        })
        .await;
    space.until_ready("store").await;
    space.run("delete secret/store-admin").await;
    space.until("secret/store-admin", "the Secret", |it| it["data"]["secret-key"].is_string()).await;
    space.until_ready("store").await;
    assert!(!space.events("DriftCorrected").await.is_empty());
}

/// Case 18: a paused store is not changed, its counts are updated, and it continues afterwards.
#[tokio::test]
async fn case_18_a_paused_store_is_left_alone() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    let before = space.until_ready("store").await;
    space.run("annotate zas/store artifact.zotregistry.io/reconcile=paused").await;
    space.until("zas/store", "Paused", |it| condition(it, "Paused")["status"] == "True").await;
    space.store("store", &json!({"log": {"level": "debug"}})).await;
    space.run("delete service/store-metrics").await;
    space.run("delete pod -l app=zot-artifact-store --wait=false").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let paused = space.get("zas/store").await.expect("the store");
    assert_eq!(condition(&paused, "Ready")["observedGeneration"], before["metadata"]["generation"], "{paused:#}");
    assert!(space.get("service/store-metrics").await.is_none());
    let config = space.get("configmap/store-config").await.expect("it");
    assert!(config["data"]["config.yaml"].as_str().is_some_and(|it| it.contains("level: info")));
    space.run("annotate zas/store artifact.zotregistry.io/reconcile-").await;
    let after = space.until_ready("store").await;
    assert_eq!(condition(&after, "Paused"), Value::Null);
    space.until("service/store-metrics", "the Service", |it| it["metadata"]["uid"].is_string()).await;
}

/// A volume is expanded, and keeps its data.
#[tokio::test]
async fn a_volume_grows() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({"storage": {"size": "1Gi"}})).await;
    space.until_ready("store").await;
    let admin = space.admin("store").await;
    let digest = admin.push_image("team/app", "v1", vec![7; 1000]).await;
    space.store("store", &json!({"storage": {"size": "3Gi"}})).await;
    // 3 GiB and 1 GiB for the database
    space.until("pvc/store-data", "its size", |it| it["status"]["capacity"]["storage"] == "4Gi").await;
    space.until_ready("store").await;
    admin.get_manifest("team/app", &digest).await.expect_status(200);
    // a deleted store leaves its volume, and a new store of the same name uses it
    space.run("delete zas/store").await;
    space.until_gone("deploy/store").await;
    space.store("store", &json!({"storage": {"size": "3Gi"}})).await;
    space.until_ready("store").await;
    space.admin("store").await.get_manifest("team/app", &digest).await.expect_status(200);
}

#[tokio::test]
async fn a_dry_run_plans_changes() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.run("annotate zas/store artifact.zotregistry.io/dry-run=true").await;
    space
        .store("store", &json!({"log": {"level": "debug"}, "networking": {"networkPolicy": {"enabled": false}}}))
        .await;
    let plan = |it: &Value| it["status"]["plan"].to_string();
    let planned = space.until("zas/store", "a plan", |it| plan(it).contains("NetworkPolicy")).await;
    assert!(
        plan(&planned).contains("change ConfigMap store-config")
            && plan(&planned).contains("remove NetworkPolicy store"),
        "{planned:#}"
    );
    assert!(space.get("networkpolicy/store").await.is_some());
    assert_eq!(condition(&planned, "Paused")["reason"], "DryRun", "{planned:#}");
    space.run("annotate zas/store artifact.zotregistry.io/dry-run-").await;
    space.until_gone("networkpolicy/store").await;
    space.until_ready("store").await;
}
