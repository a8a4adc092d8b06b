//! Stores of users: a minimal one, one for production, clouds, and clients in the cluster.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use zot_tests::backend::{Backend, Storage};
use zot_tests::tools::{Home, tool};

use crate::harness::{Relay, Space, TestCluster, condition};
use crate::load::Load;

/// Case 1: `spec: {}`, and a pod that authenticates with its ServiceAccount.
#[tokio::test]
async fn case_01_the_minimal_store_serves_pods() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let begun = Instant::now();
    space.store("hello", &json!({})).await;
    let words = "wait --for=condition=Ready zas/hello --timeout=120s";
    space.run(words).await;
    println!("from apply to Ready: {:?}", begun.elapsed());
    let store = space.until_ready("hello").await;
    let spec = &store["spec"];
    assert_eq!((&spec["replicas"], &spec["storage"]["type"]), (&json!(1), &json!("filesystem")));
    assert_eq!((&spec["storage"]["size"], &spec["database"]["type"]), (&json!("10Gi"), &json!("embedded")));
    let expected = [
        "configmap/hello-config",
        "deployment.apps/hello",
        "networkpolicy.networking.k8s.io/hello",
        "persistentvolumeclaim/hello-data",
        "secret/hello-admin",
        "service/hello",
        "service/hello-metrics",
        "serviceaccount/hello",
    ];
    assert_eq!(space.created("hello").await, expected);
    let deployment = space.get("deploy/hello").await.expect("the Deployment");
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    for (kind, status) in [
        ("SpecValid", "True"),
        ("StorageReady", "True"),
        ("DatabaseReady", "True"),
        ("Available", "True"),
        ("Progressing", "False"),
    ] {
        assert_eq!(condition(&store, kind)["status"], status, "{store:#}");
    }
    assert_eq!((&store["status"]["phase"], &store["status"]["readyReplicas"]), (&json!("Running"), &json!(1)));
    for reason in ["RolloutStarted", "RolloutCompleted"] {
        let events = space.events(reason).await;
        assert_eq!(events.len(), 1, "{reason}: {events:#?}");
    }
    a_pod_pushes_and_puts(&space, "hello").await;
}

/// A Job whose pod has a client and a projected token, and no other credentials.
async fn a_pod_pushes_and_puts(space: &Space<'_>, store: &str) {
    space.run("create serviceaccount builder").await;
    let admin = space.admin(store).await;
    let subject = format!("serviceaccount:{}:builder", space.name);
    for resource in ["ci/*", "pods", "pods/*"] {
        let policy = json!({ "resource": resource, "actions": ["*"], "principals": [subject] });
        admin.send(Method::POST, "/api/v1/rbac/policies", &policy).await.expect_status(201);
    }
    let (host, port) = (format!("{store}.{}.svc", space.name), space.address(store).await.port());
    let token = json!({ "serviceAccountToken": { "audience": "zot-artifact-store", "path": "token", "expirationSeconds": 3600 } });
    let s3 = format!("http://{host}:9000");
    let env = [
        ("REPOSITORY", format!("{host}:{port}/ci/note")),
        ("BUCKET", "pods".to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/self".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token/token".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL_S3", s3.clone()),
        ("AWS_ENDPOINT_URL_STS", s3),
    ];
    let env: Vec<Value> = env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let restricted = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "readOnlyRootFilesystem": true });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "client", "namespace": space.name },
        "spec": { "backoffLimit": 0, "template": { "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "builder",
            "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "client", "image": "localhost/zot-e2e-client:1", "imagePullPolicy": "Never", "env": env,
                "securityContext": restricted, "volumeMounts": [{ "name": "token", "mountPath": "/token" }],
            }],
            "volumes": [{ "name": "token", "projected": { "sources": [token] } }],
        } } },
    });
    space.cluster.apply(&job).await;
    let done = |job: &Value| job["status"]["succeeded"] == 1 || job["status"]["failed"] == 1;
    let job = space.until("job/client", "the pod's end", done).await;
    let log = space.run("logs job/client").await;
    assert_eq!(job["status"]["succeeded"], 1, "{log}");
    assert!(log.contains("OCI: sha256:") && log.contains("S3: "), "{log}");
    let object = admin.get("/s3/pods/note.txt").await.expect_status(200);
    assert_eq!(&object.body[..], b"from a pod");
}

/// A spec with a database and a bucket outside the cluster, and the Secrets for them.
pub(crate) async fn outside(space: &Space<'_>) -> (Storage, Value) {
    let (storage, spec, _) = outside_by(space).await;
    (storage, spec)
}

/// The same, with the relay to the database.
pub(crate) async fn outside_by(space: &Space<'_>) -> (Storage, Value, Relay) {
    let storage = Backend::PostgresS3.fresh().await;
    let database = reqwest::Url::parse(storage.database().expect("a database")).expect("a URL");
    let upstream = format!("127.0.0.1:{}", database.port().expect("a port")).parse().expect("an address");
    let by = Relay::to(upstream).await;
    let postgres = by.address;
    let (user, password) = (database.username(), database.password().unwrap_or_default());
    space.secret("store-postgres", &[("username", user), ("password", password)]).await;
    let bucket = storage.bucket().expect("a bucket");
    let upstream = bucket.endpoint().trim_start_matches("http://").parse().expect("an address");
    let s3 = Relay::to(upstream).await.address;
    space.secret("store-s3", &[("access-key", bucket.access_key()), ("secret-key", bucket.secret_key())]).await;
    let spec = json!({
        "replicas": 3,
        "storage": { "type": "s3", "s3": {
            "bucket": bucket.name(), "endpoint": format!("http://{s3}"), "accessKeySecret": { "name": "store-s3" },
        } },
        "database": { "type": "postgres", "postgres": {
            "host": postgres.ip().to_string(), "port": postgres.port(), "credentialsSecret": "store-postgres",
            "database": database.path().trim_start_matches('/'),
        } },
        "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
    });
    (storage, spec, by)
}

/// Case 2: three servers on Postgres and S3, with the features for production.
#[tokio::test]
async fn case_02_a_store_for_production() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, mut spec) = outside(&space).await;
    cluster.define("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors").await;
    cluster.define("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules").await;
    spec["autoscaling"] = json!({ "enabled": true, "minReplicas": 3, "maxReplicas": 6 });
    spec["podDisruptionBudget"] = json!({ "maxUnavailable": 1 });
    spec["metrics"] = json!({ "prometheus": { "serviceMonitor": true, "rules": true } });
    spec["networking"] = json!({ "ingress": {
        "enabled": true, "className": "nginx", "host": "artifacts.example.com", "tls": { "enabled": true, "secretName": "tls" },
    } });
    space.store("store", &spec).await;
    let store = space.until_ready("store").await;
    assert_eq!(store["status"]["readyReplicas"], 3);
    assert_eq!(store["status"]["endpoints"]["api"], "https://artifacts.example.com");
    let made = space.created("store").await;
    for name in [
        "horizontalpodautoscaler.autoscaling/store",
        "poddisruptionbudget.policy/store",
        "ingress.networking.k8s.io/store",
        "networkpolicy.networking.k8s.io/store",
        "secret/store-keys",
    ] {
        assert!(made.iter().any(|it| it == name), "{name}: {made:#?}");
    }
    assert!(!made.iter().any(|it| it.starts_with("persistentvolumeclaim")), "{made:#?}");
    let deployment = space.get("deploy/store").await.expect("the Deployment");
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let monitored = |found: &Value| condition(found, "MonitoringReady")["status"] == "True";
    space.until("zas/store", "a ServiceMonitor", monitored).await;
    for kind in ["servicemonitor", "prometheusrule"] {
        assert!(space.get(&format!("{kind}/store")).await.is_some(), "no {kind}");
    }
    let admin = space.admin("store").await;
    admin.push_image("team/app", "v1", vec![7; 100_000]).await;
    for _ in 0..10 {
        admin.get_manifest("team/app", "v1").await.expect_status(200);
    }
    the_rules_use_existing_metrics(&space).await;
}

/// Prometheus accepts the rules, and the servers have each metric that the rules use.
async fn the_rules_use_existing_metrics(space: &Space<'_>) {
    let rules = space.get("prometheusrule/store").await.expect("the rules");
    let check = tool("rule-check").await;
    let printed = Home::new().command(&check).input(&rules["spec"].to_string()).run().await;
    assert!(printed.status.success(), "{printed}");
    let service = space.get("service/store-metrics").await.expect("the Service");
    let at = |value: &Value| value.as_str().expect("an address").to_owned();
    let url = format!("http://{}:8081/metrics", at(&service["spec"]["clusterIP"]));
    let metrics = reqwest::get(&url).await.expect("metrics").text().await.expect("text");
    // Prometheus itself adds this metric
    let names: Vec<&str> = printed.stdout.lines().filter(|name| *name != "up").collect();
    assert!(!names.is_empty(), "{printed}");
    for name in names {
        assert!(metrics.lines().any(|line| line.starts_with(&format!("{name}{{"))), "{name} is not in\n{metrics}");
    }
}

/// Stores on emulators of Google's and Microsoft's storage start, push and pull.
#[tokio::test]
async fn stores_on_other_clouds() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    for (name, backend) in [("gcs", Backend::SqliteGcs), ("azure", Backend::SqliteAzure)] {
        let storage = backend.fresh().await;
        let driver = storage.driver().expect("a driver");
        let endpoint = reqwest::Url::parse(driver["endpoint"].as_str().expect("an endpoint")).expect("a URL");
        let upstream = format!("127.0.0.1:{}", endpoint.port().expect("a port")).parse().expect("an address");
        let seen = format!("http://{}{}", Relay::to(upstream).await.address, endpoint.path().trim_end_matches('/'));
        let spec = if name == "gcs" {
            json!({ "storage": { "type": "gcs", "gcs": { "bucket": driver["bucket"], "endpoint": seen } } })
        } else {
            let key = driver["accountkey"].as_str().expect("a key");
            space.secret("azure-key", &[("account-key", key)]).await;
            json!({ "storage": { "type": "azure", "azure": {
                "accountName": driver["accountname"], "container": driver["container"], "endpoint": seen,
                "credentialsSecret": "azure-key",
            } } })
        };
        space.store(name, &spec).await;
        space.until_ready(name).await;
        let admin = space.admin(name).await;
        let digest = admin.push_image("team/app", "v1", vec![7; 100_000]).await;
        admin.get_manifest("team/app", &digest).await.expect_status(200);
        assert!(!storage.keys().await.is_empty(), "{name}: nothing is in the bucket");
    }
}

/// No request fails while a setting is changed and a pod is deleted.
#[tokio::test]
async fn a_rolling_change_and_a_killed_pod_lose_no_request() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, mut spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let admin = space.admin("store").await;
    admin.push_image("team/app", "v1", vec![7; 1000]).await;
    let load = Load::start(&admin, "/v2/team/app/manifests/v1");
    spec["log"] = json!({ "level": "warn" });
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let pods = space.get("pods -l app=zot-artifact-store").await.expect("pods");
    let pod = pods["items"][0]["metadata"]["name"].as_str().expect("a name").to_owned();
    space.run(&format!("delete pod {pod} --wait=false")).await;
    space.until_gone(&format!("pod/{pod}")).await;
    space.until_ready("store").await;
    let count = load.none_failed().await;
    println!("{count} requests, none failed");
    assert!(count > 500, "{count} requests");
}
