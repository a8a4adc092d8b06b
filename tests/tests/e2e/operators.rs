//! Leader election, memory, and namespaces of operators.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faulty::{Faulty, kubectl_proxy};
use crate::harness::{DEADLINE, OPERATOR, TestCluster};

const LEASE: &str = "-n zot-operator-system lease/zot-artifact-store-operator";
/// The most memory of an operator, in bytes.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

async fn holder(cluster: &TestCluster) -> String {
    let lease = cluster.get(LEASE).await.unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// The standby takes over, after the leader was killed and after it was stopped.
#[tokio::test]
async fn the_standby_takes_over() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    for how in ["--grace-period=0 --force", "--wait=false"] {
        let before = holder(&cluster).await;
        assert!(!before.is_empty());
        cluster.run(&format!("-n {OPERATOR} delete pod {before} {how}")).await;
        let begun = Instant::now();
        while [String::new(), before.clone()].contains(&holder(&cluster).await) {
            assert!(begun.elapsed() < DEADLINE, "nobody takes over from {before}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("{how}: another one after {:?}", begun.elapsed());
        let name = if how.contains("force") { "first" } else { "second" };
        space.store(name, &json!({})).await;
        space.until_ready(name).await;
        cluster.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
    }
}

#[tokio::test]
async fn other_people_s_secrets_cost_no_memory() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let content = "x".repeat(100 * 1024);
    let secrets: Vec<Value> = (0..200)
        .map(|number| {
            let metadata = json!({ "name": format!("other-{number}"), "namespace": space.name });
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "content": content } })
        })
        .collect();
    for part in secrets.chunks(25) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": part });
        let printed = cluster.try_run("create -f -", Some(&list)).await;
        assert!(printed.status.success(), "{printed}");
    }
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    cluster.run(&format!("-n {OPERATOR} rollout restart deploy/zot-artifact-store-operator")).await;
    cluster.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
    // long enough to be the leader, and to have read everything
    let begun = Instant::now();
    let mut used = Vec::new();
    while used.is_empty() || begun.elapsed() < Duration::from_secs(25) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < DEADLINE, "the kubelet has no metrics of the operator's memory");
        let nodes = cluster.run("get nodes -o name").await;
        let node = nodes.trim().rsplit('/').next().expect("a node");
        let metrics = cluster.run(&format!("get --raw /api/v1/nodes/{node}/proxy/metrics/resource")).await;
        let of_operator =
            |line: &&str| line.starts_with("container_memory_working_set_bytes") && line.contains(OPERATOR);
        used = metrics.lines().filter(of_operator).filter_map(bytes).collect();
    }
    assert!(used.iter().all(|bytes| *bytes < MEMORY_MAX), "{used:?} bytes");
    println!("working sets: {used:?} bytes");
}

fn bytes(line: &str) -> Option<u64> {
    let value = line.split_whitespace().nth(1)?.parse::<f64>().ok()?;
    format!("{value:.0}").parse().ok()
}

/// Case 12: an operator is suspended and resumes when another one is the leader. It exits, and writes nothing before.
#[tokio::test]
async fn case_12_an_operator_that_was_suspended_writes_nothing() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let scaled_down = cluster.scale_down().await;
    let (_proxy, upstream) = kubectl_proxy(&cluster).await;
    let (before_first, before_second) = (Faulty::start(upstream).await, Faulty::start(upstream).await);
    let lease = format!("-n {} lease/zot-artifact-store-operator", space.name);
    let held_by = async |name: &str| {
        let begun = Instant::now();
        while cluster.get(&lease).await.unwrap_or_default()["spec"]["holderIdentity"] != name {
            assert!(begun.elapsed() < DEADLINE, "{name} never holds the lease");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut first = before_first.operator(&space, "first").await.spawn().expect("the operator");
    held_by("first").await;
    let _second = before_second.operator(&space, "second").await.spawn().expect("the operator");
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    let pid = first.id().expect("it runs").to_string();
    // suspend it while it works on these changes
    space.store("store", &json!({"log": {"level": "debug"}})).await;
    space.store("another", &json!({})).await;
    signal(&pid, "STOP").await;
    held_by("second").await;
    let written = before_first.writes();
    space.until_ready("another").await;
    space.run("delete configmap/another-config").await;
    space.store("store", &json!({"log": {"level": "warn"}})).await;
    space.until_ready("store").await;
    signal(&pid, "CONT").await;
    let ended = tokio::time::timeout(DEADLINE, first.wait()).await.expect("it ends").expect("our child");
    assert!(!ended.success(), "so that a kubelet starts it again");
    assert_eq!(before_first.writes(), written, "it wrote after the other one became the leader");
    assert_eq!(cluster.get(&lease).await.expect("the lease")["spec"]["holderIdentity"], "second");
    // a deleted lease is created again
    cluster.run(&format!("-n {} delete lease/zot-artifact-store-operator", space.name)).await;
    held_by("second").await;
    drop(scaled_down);
}

async fn signal(pid: &str, name: &str) {
    let sent = tokio::process::Command::new("kill").args([&format!("-{name}"), pid]).status().await;
    assert!(sent.expect("kill").success(), "SIG{name}");
}

/// Case 19: an operator with rights in two of three namespaces. It ignores the third one, and no request is refused.
#[tokio::test]
async fn case_19_some_namespaces_only() {
    let cluster = TestCluster::open();
    let (one, two, other) = (cluster.space().await, cluster.space().await, cluster.space().await);
    let scaled_down = cluster.scale_down().await;
    one.run("create serviceaccount operator").await;
    for space in [&one, &two] {
        let account = format!("--serviceaccount={}:operator", one.name);
        space.run(&format!("create rolebinding operator --clusterrole=zot-artifact-store-operator {account}")).await;
    }
    let mut role = cluster
        .get(&format!("-n {OPERATOR} role/zot-artifact-store-operator-leader-election"))
        .await
        .expect("the role of the lease");
    role["metadata"] = json!({ "name": "leader-election", "namespace": one.name });
    cluster.apply(&role).await;
    let words = format!("create rolebinding lease --role=leader-election --serviceaccount={}:operator", one.name);
    one.run(&words).await;
    let token = one.run("create token operator --duration=1h").await;
    let config = cluster.run("config view --raw --flatten --minify -o json").await;
    let mut config: Value = serde_json::from_str(&config).expect("a kubeconfig");
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let home = zot_tests::tools::Home::new();
    let log = home.path().join("log");
    let mut operator = tokio::process::Command::new(cluster.operator());
    operator.env("KUBECONFIG", home.write("kubeconfig", config.to_string()));
    operator.env("WATCH_NAMESPACE", format!("{}, {}", one.name, two.name)).env("POD_NAMESPACE", &one.name);
    operator.args(["--health-probe-bind-address", "127.0.0.1:0", "--metrics-bind-address", "127.0.0.1:0"]);
    operator.env("RELATED_IMAGE_ZOT_ARTIFACT_STORE", cluster.server_image().await);
    operator.stdout(std::fs::File::create(&log).expect("a file")).kill_on_drop(true);
    let _running = operator.spawn().expect("the operator");
    for space in [&one, &two, &other] {
        space.store("store", &json!({})).await;
    }
    one.until_ready("store").await;
    two.until_ready("store").await;
    two.run("delete service/store-metrics").await;
    two.until("service/store-metrics", "the Service is restored", |it| it["metadata"]["uid"].is_string()).await;
    let ignored = other.get("zas/store").await.expect("it");
    assert_eq!((&ignored["status"], other.created("store").await), (&Value::Null, Vec::new()), "{ignored:#}");
    let said = std::fs::read_to_string(&log).expect("its log");
    assert!(!said.contains("orbidden"), "{said}");
    drop(scaled_down);
    other.until_ready("store").await;
}

/// `config/namespaced`: an operator that needs no rights outside its own namespace.
#[tokio::test]
async fn an_operator_of_one_namespace() {
    let cluster = TestCluster::open();
    let (space, other) = (cluster.space().await, cluster.space().await);
    let scaled_down = cluster.scale_down().await;
    let folder = zot_tests::workspace().join("config/namespaced");
    let documents = cluster.run(&format!("kustomize {}", folder.display())).await;
    let home = zot_tests::tools::Home::new();
    let file = home.write("operator.yaml", documents.replace(OPERATOR, &space.name));
    assert!(!documents.contains("kind: Cluster"), "{documents}");
    space.run(&format!("apply --server-side -f {}", file.display())).await;
    for space in [&space, &other] {
        space.store("store", &json!({})).await;
    }
    space.until_ready("store").await;
    assert_eq!(other.get("zas/store").await.expect("it")["status"], Value::Null);
    let log = space.run("logs -l app.kubernetes.io/name=zot-artifact-store-operator --tail=-1").await;
    assert!(!log.contains("orbidden"), "{log}");
    drop(scaled_down);
    other.until_ready("store").await;
}
