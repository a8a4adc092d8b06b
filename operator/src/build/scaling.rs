//! How many servers there are by their load, and how many may be taken away at once.

use serde_json::{Value, json};

use super::{Child, child, selector};
use crate::api::Kind;
use crate::validate::Store;

pub(super) fn children(store: &Store<'_>) -> Vec<Child> {
    autoscaler(store).into_iter().chain(disruption(store)).collect()
}

fn autoscaler(store: &Store<'_>) -> Option<Child> {
    let asked = &store.spec().autoscaling;
    asked.enabled.then(|| {
        let metric = |name: &str, percent: i32| {
            let target = json!({ "type": "Utilization", "averageUtilization": percent });
            json!({ "type": "Resource", "resource": { "name": name, "target": target } })
        };
        let spec = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": store.name },
            "minReplicas": asked.min_replicas,
            "maxReplicas": asked.max_replicas,
            "metrics": [metric("cpu", asked.target_cpu_utilization), metric("memory", asked.target_memory_utilization)],
        });
        child(store, Kind::HorizontalPodAutoscaler, &store.name, json!({ "spec": spec }))
    })
}

/// One server that is the only one must be allowed to go, or its node can never be drained.
fn disruption(store: &Store<'_>) -> Option<Child> {
    let (asked, scaling) = (&store.spec().pod_disruption_budget, &store.spec().autoscaling);
    let fewest = if scaling.enabled { scaling.min_replicas } else { store.spec().replicas };
    // a share of those that there are lets the only one go
    let several = fewest > 1 || scaling.enabled && scaling.max_replicas > 1 && asked.min_available.is_none();
    (several && asked.enabled.unwrap_or(true)).then(|| {
        let mut spec = json!({
            "selector": { "matchLabels": selector(&store.name) },
            // a server that cannot work must not keep its node
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        });
        match (&asked.min_available, &asked.max_unavailable) {
            (Some(fewest), _) => spec["minAvailable"] = json!(fewest),
            (None, Some(most)) => spec["maxUnavailable"] = json!(most),
            (None, None) => spec["maxUnavailable"] = Value::from(1),
        }
        child(store, Kind::PodDisruptionBudget, &store.name, json!({ "spec": spec }))
    })
}
