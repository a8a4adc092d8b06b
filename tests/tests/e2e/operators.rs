//! The operator itself: of two one works, and other people's Secrets cost it nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stand::{DEADLINE, OPERATOR, Stand};

const LEASE: &str = "-n zot-operator-system lease/zot-artifact-store-operator";
/// What the operator may have in memory, in bytes.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

async fn holder(stand: &Stand) -> String {
    let lease = stand.get(LEASE).await.unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Removed at once, and stopped as by a rollout: the other one goes on.
#[tokio::test]
async fn the_other_operator_takes_over() {
    let stand = Stand::open();
    let space = stand.space().await;
    for how in ["--grace-period=0 --force", "--wait=false"] {
        let before = holder(&stand).await;
        assert!(!before.is_empty());
        stand.run(&format!("-n {OPERATOR} delete pod {before} {how}")).await;
        let begun = Instant::now();
        while [String::new(), before.clone()].contains(&holder(&stand).await) {
            assert!(begun.elapsed() < DEADLINE, "nobody takes over from {before}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("{how}: another one after {:?}", begun.elapsed());
        let name = if how.contains("force") { "first" } else { "second" };
        space.store(name, &json!({})).await;
        space.until_ready(name).await;
        stand.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
    }
}

#[tokio::test]
async fn other_people_s_secrets_cost_no_memory() {
    let stand = Stand::open();
    let space = stand.space().await;
    let content = "x".repeat(100 * 1024);
    let secrets: Vec<Value> = (0..200)
        .map(|number| {
            let metadata = json!({ "name": format!("other-{number}"), "namespace": space.name });
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "content": content } })
        })
        .collect();
    for part in secrets.chunks(25) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": part });
        let printed = stand.try_run("create -f -", Some(&list)).await;
        assert!(printed.status.success(), "{printed}");
    }
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    stand.run(&format!("-n {OPERATOR} rollout restart deploy/zot-artifact-store-operator")).await;
    stand.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
    // long enough to be the leader, and to have read all there is
    let begun = Instant::now();
    let mut used = Vec::new();
    while used.is_empty() || begun.elapsed() < Duration::from_secs(25) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < DEADLINE, "the kubelet says nothing of the operator's memory");
        let nodes = stand.run("get nodes -o name").await;
        let node = nodes.trim().rsplit('/').next().expect("a node");
        let metrics = stand.run(&format!("get --raw /api/v1/nodes/{node}/proxy/metrics/resource")).await;
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
