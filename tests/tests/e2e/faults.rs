//! Case 13: an API server that throttles, fails, expires watches and goes away. The test runs its own operator behind a
//! proxy with these faults. The installed operator is scaled down meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::faulty::{Fault, Faulty, kubectl_proxy};
use crate::harness::{DEADLINE, TestCluster, condition};

/// The most requests per second that two stores may cause during a fault.
const RATE_MAX: usize = 60;

#[tokio::test]
async fn case_13_an_api_server_that_fails() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let scaled_down = cluster.scale_down().await;
    let (_proxy, upstream) = kubectl_proxy(&cluster).await;
    let faulty = Faulty::start(upstream).await;
    let mut operator = faulty.operator(&space, "behind").await;
    let mut running = operator.spawn().expect("the operator");
    space.store("first", &json!({})).await;
    space.until_ready("first").await;
    for (number, fault) in
        [Fault::TooMany, Fault::Errors, Fault::CutWatches, Fault::Gone, Fault::Blackout].into_iter().enumerate()
    {
        let name = format!("store-{number}");
        faulty.set(fault);
        let (before, begun) = (faulty.requests(), Instant::now());
        space.store(&name, &json!({})).await;
        let lasts = if matches!(fault, Fault::Blackout) { 10 } else { 4 };
        tokio::time::sleep(Duration::from_secs(lasts)).await;
        let requests = faulty.requests() - before;
        let most = usize::try_from(begun.elapsed().as_secs() + 1).expect("seconds") * RATE_MAX;
        assert!(requests < most, "{fault:?}: {requests} requests in {:?}", begun.elapsed());
        faulty.set(Fault::None);
        let begun = Instant::now();
        loop {
            // an operator that lost the lease has exited; a kubelet would restart it
            if running.try_wait().expect("our child").is_some() {
                running = operator.spawn().expect("the operator");
            }
            let store = space.get(&format!("zas/{name}")).await.unwrap_or_default();
            if condition(&store, "Ready")["status"] == "True" {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "after {fault:?}: {store:#}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        println!("{fault:?}: {requests} requests, ready {:?} after it", begun.elapsed());
    }
    running.kill().await.expect("our child");
    drop(scaled_down);
}
