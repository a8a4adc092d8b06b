//! What others change, and what users want left alone.

use serde_json::{Value, json};

use crate::stand::{Stand, condition};

/// Case 8: what the operator owns comes back, what it does not stays.
#[tokio::test]
async fn case_08_drift_is_corrected() {
    let stand = Stand::open();
    let space = stand.space().await;
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

/// Case 18: paused, nothing is changed and what is counted is; then it goes on.
#[tokio::test]
async fn case_18_a_paused_store_is_left_alone() {
    let stand = Stand::open();
    let space = stand.space().await;
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

/// A volume that shall be larger becomes larger, and keeps what is on it.
#[tokio::test]
async fn a_volume_grows() {
    let stand = Stand::open();
    let space = stand.space().await;
    space.store("store", &json!({"storage": {"size": "1Gi"}})).await;
    space.until_ready("store").await;
    let admin = space.admin("store").await;
    let digest = admin.push_image("team/app", "v1", vec![7; 1000]).await;
    space.store("store", &json!({"storage": {"size": "3Gi"}})).await;
    // with a gigabyte for the database
    space.until("pvc/store-data", "its size", |it| it["status"]["capacity"]["storage"] == "4Gi").await;
    space.until_ready("store").await;
    admin.get_manifest("team/app", &digest).await.expect_status(200);
    // a store that goes leaves its volume, and one of the same name finds it
    space.run("delete zas/store").await;
    space.until_gone("deploy/store").await;
    space.store("store", &json!({"storage": {"size": "3Gi"}})).await;
    space.until_ready("store").await;
    space.admin("store").await.get_manifest("team/app", &digest).await.expect_status(200);
}

/// What would change is told, and nothing is changed.
#[tokio::test]
async fn a_dry_run_tells_what_would_change() {
    let stand = Stand::open();
    let space = stand.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    space.run("annotate zas/store artifact.zotregistry.io/dry-run=true").await;
    space
        .store("store", &json!({"log": {"level": "debug"}, "networking": {"networkPolicy": {"enabled": false}}}))
        .await;
    let plan = |it: &Value| it["status"]["plan"].to_string();
    let told = space.until("zas/store", "a plan", |it| plan(it).contains("NetworkPolicy")).await;
    assert!(
        plan(&told).contains("change ConfigMap store-config") && plan(&told).contains("remove NetworkPolicy store"),
        "{told:#}"
    );
    assert!(space.get("networkpolicy/store").await.is_some());
    assert_eq!(condition(&told, "Paused")["reason"], "DryRun", "{told:#}");
    space.run("annotate zas/store artifact.zotregistry.io/dry-run-").await;
    space.until_gone("networkpolicy/store").await;
    space.until_ready("store").await;
}
