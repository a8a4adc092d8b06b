//! Secrets that a store refers to: missing, incomplete, changed.

use serde_json::{Value, json};

use crate::harness::{OPERATOR, Relay, TestCluster, condition};
use crate::load::Load;
use crate::stores::outside;

const HASH: &str = "artifact.zotregistry.io/config-hash";

fn hash(deployment: &Value) -> Value {
    deployment["spec"]["template"]["metadata"]["annotations"][HASH].clone()
}

/// Case 6: the operator waits for a missing Secret, and continues by itself.
#[tokio::test]
async fn case_06_a_missing_secret_is_waited_for() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (storage, spec) = outside(&space).await;
    let bucket = storage.bucket().expect("a bucket");
    space.run("delete secret store-s3").await;
    space.store("store", &spec).await;
    let store = space.until_condition("store", "StorageReady", "False", "SecretNotFound").await;
    let message = condition(&store, "StorageReady")["message"].as_str().expect("a message").to_owned();
    assert!(
        message.contains("store-s3") && message.contains("access-key") && message.contains(&space.name),
        "{message}"
    );
    assert_eq!(condition(&store, "Ready")["reason"], "SecretNotFound");
    assert!(space.get("deploy/store").await.is_none());
    space.secret("store-s3", &[("access-key", bucket.access_key())]).await;
    let store = space.until_condition("store", "StorageReady", "False", "SecretKeyMissing").await;
    assert!(condition(&store, "Ready")["message"].as_str().is_some_and(|it| it.contains("secret-key")), "{store:#}");
    space.secret("store-s3", &[("access-key", bucket.access_key()), ("secret-key", bucket.secret_key())]).await;
    space.until_ready("store").await;
    // no secret is shown anywhere
    let outputs = [
        cluster
            .run(&format!("-n {OPERATOR} logs -l app.kubernetes.io/name=zot-artifact-store-operator --tail=-1"))
            .await,
        space.run("get events -o yaml").await,
        space.run("get zas,deploy,cm,svc,sa -o yaml").await,
        space.run("logs deploy/store --all-pods --tail=-1").await,
    ];
    for text in outputs {
        assert!(!text.contains(bucket.secret_key()), "a secret is in\n{text}");
    }
}

/// The operator creates a CloudNativePG Cluster and waits for its Secret. CloudNativePG is not installed here, so the test
/// writes the Secret, for an existing database.
#[tokio::test]
async fn a_new_database_is_awaited() {
    let cluster = TestCluster::open();
    cluster.run("delete crd clusters.postgresql.cnpg.io --ignore-not-found").await;
    let space = cluster.space().await;
    let (_storage, mut spec) = outside(&space).await;
    let postgres = spec["database"]["postgres"].take();
    spec["database"] = json!({ "type": "postgres", "cluster": { "instances": 2, "storageSize": "5Gi" } });
    space.store("store", &spec).await;
    space.until_condition("store", "DatabaseReady", "False", "DependencyApiMissing").await;
    cluster.define_of("cloudnative-pg", "config/crd/bases/postgresql.cnpg.io_clusters.yaml").await;
    let store = space.until_condition("store", "DatabaseReady", "False", "DatabaseProvisioning").await;
    assert_eq!(store["status"]["phase"], "Pending", "{store:#}");
    let created = space.get("clusters.postgresql.cnpg.io/store-db").await.expect("the Cluster of CloudNativePG");
    assert_eq!((&created["spec"]["instances"], &created["spec"]["storage"]["size"]), (&json!(2), &json!("5Gi")));
    assert!(space.get("deploy/store").await.is_none());
    // CloudNativePG's servers use TLS, and stores require it
    let host = postgres["host"].as_str().expect("a host");
    let upstream = format!("{host}:{}", postgres["port"]).parse().expect("an address");
    let by_tls = Relay::to_postgres_by_tls(upstream).await.address;
    let mut made = space.get("secret/store-postgres").await.expect("the credentials");
    made["metadata"] = json!({ "name": "store-db-app", "namespace": space.name });
    made["stringData"] = json!({
        "host": by_tls.ip().to_string(), "port": by_tls.port().to_string(), "dbname": postgres["database"],
    });
    cluster.apply(&made).await;
    space.until_ready("store").await;
    space.admin("store").await.push_image("team/app", "v1", vec![7; 1000]).await;
    // a lost database is not replaced by an empty one
    space.run("delete clusters.postgresql.cnpg.io store-db").await;
    space.run("annotate zas/store look=here").await;
    space.until_condition("store", "DatabaseReady", "False", "DatabaseLost").await;
    assert!(space.get("clusters.postgresql.cnpg.io/store-db").await.is_none());
}

/// A missing bucket, wrong credentials and a missing database are reported before any server starts.
#[tokio::test]
async fn backend_problems_are_reported_before_a_server_starts() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (storage, mut spec) = outside(&space).await;
    spec["storage"]["s3"]["bucket"] = json!("absent-bucket");
    space.store("store", &spec).await;
    let store = space.until_condition("store", "StorageReady", "False", "BucketNotFound").await;
    assert!(condition(&store, "Ready")["message"].as_str().is_some_and(|it| it.contains("absent-bucket")), "{store:#}");
    spec["storage"]["s3"]["bucket"] = json!(storage.bucket().expect("a bucket").name());
    space.secret("store-s3", &[("access-key", "nobody"), ("secret-key", "wrong-wrong-wrong")]).await;
    space.store("store", &spec).await;
    space.until_condition("store", "StorageReady", "False", "StorageAccessDenied").await;
    let bucket = storage.bucket().expect("a bucket");
    space.secret("store-s3", &[("access-key", bucket.access_key()), ("secret-key", bucket.secret_key())]).await;
    spec["database"]["postgres"]["port"] = json!(1);
    space.store("store", &spec).await;
    space.until_condition("store", "DatabaseReady", "False", "DatabaseUnreachable").await;
    assert!(space.get("deploy/store").await.is_none(), "a server was started");
    let (_, whole) = outside(&space).await;
    spec["database"]["postgres"]["port"] = whole["database"]["postgres"]["port"].clone();
    spec["database"]["postgres"]["database"] = json!("absent");
    space.store("store", &spec).await;
    let store = space.until_condition("store", "DatabaseReady", "False", "DatabaseNotFound").await;
    let message = condition(&store, "Ready")["message"].to_string();
    assert!(message.contains("absent") && !message.contains("at line"), "{message}");
    spec["database"]["postgres"]["database"] = whole["database"]["postgres"]["database"].clone();
    spec["storage"]["s3"] = whole["storage"]["s3"].clone();
    space.store("store", &spec).await;
    space.until_ready("store").await;
}

/// Case 7: a changed value causes one rollout, without failed requests. The same value causes none.
#[tokio::test]
async fn case_07_a_changed_secret_is_rolled_out() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, mut spec) = outside(&space).await;
    let admin = [("access-key", "chief"), ("secret-key", "the first secret of all")];
    space.secret("chief", &admin).await;
    spec["rbac"] = json!({ "adminSecret": { "name": "chief" } });
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let client = zot_tests::client::Client::new(space.address("store").await, None).with_key(admin[0].1, admin[1].1);
    client.push_image("team/app", "v1", vec![7; 1000]).await;
    let everybody = json!({ "resource": "*", "actions": ["read", "list"], "principals": ["anonymous"] });
    client.send(reqwest::Method::POST, "/api/v1/rbac/policies", &everybody).await.expect_status(201);
    // every replica applies a new policy within a second
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let before = hash(&space.get("deploy/store").await.expect("a Deployment"));
    space.run("annotate secret chief touched=yes").await;
    let load = Load::start(&client.with(None), "/v2/team/app/manifests/v1");
    space.secret("chief", &[admin[0], ("secret-key", "the second secret of all")]).await;
    let changed = space.until("deploy/store", "another hash", |it| !hash(it).is_null() && hash(it) != before).await;
    let words = "deploy/store";
    let done = |it: &Value| {
        it["status"]["updatedReplicas"] == 3 && it["status"]["replicas"] == 3 && it["status"]["availableReplicas"] == 3
    };
    let after = space.until(words, "the servers are replaced", done).await;
    assert_eq!(hash(&after), hash(&changed), "rolled out once");
    space.until_ready("store").await;
    println!("{} requests, none failed", load.none_failed().await);
    // terminating servers still answer on their open connections
    let gone = |it: &Value| it["items"].as_array().is_some_and(|pods| pods.len() == 3);
    space.until("pods -l app=zot-artifact-store", "the old servers are gone", gone).await;
    client.with_key("chief", "the second secret of all").get("/api/v1/rbac/policies").await.expect_status(200);
    client.get("/api/v1/rbac/policies").await.expect_status(401);
    let generation = after["metadata"]["generation"].clone();
    space.run("annotate secret chief touched=again --overwrite").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(space.get(words).await.expect("a Deployment")["metadata"]["generation"], generation);
}
