//! The Services, and whom the servers accept connections of.

use serde_json::{Value, json};

use super::{Child, annotated, child, selector};
use crate::api::Kind;
use crate::validate::Store;

pub(super) fn children(store: &Store<'_>) -> Vec<Child> {
    let mut children = vec![service(store)];
    children.extend(metrics(store));
    children.extend(policy(store));
    children
}

/// Whether the S3 API has a port of its own.
pub(super) fn has_s3_port(store: &Store<'_>) -> bool {
    let s3api = &store.spec().extensions.s3api;
    s3api.enabled && s3api.port > 0
}

fn service(store: &Store<'_>) -> Child {
    let (service, s3api) = (&store.spec().networking.service, &store.spec().extensions.s3api);
    let mut ports = vec![json!({ "name": "http", "port": service.port, "targetPort": "http", "protocol": "TCP" })];
    if has_s3_port(store) {
        ports.push(json!({ "name": "s3", "port": s3api.port, "targetPort": "s3", "protocol": "TCP" }));
    }
    let spec = json!({ "type": service.r#type.as_str(), "selector": selector(&store.name), "ports": ports });
    annotated(child(store, Kind::Service, &store.name, json!({ "spec": spec })), &json!(service.annotations))
}

/// Whether metrics are served.
pub(super) fn has_metrics(store: &Store<'_>) -> bool {
    let metrics = &store.spec().metrics;
    metrics.enabled && metrics.prometheus.enabled
}

fn metrics(store: &Store<'_>) -> Option<Child> {
    has_metrics(store).then(|| {
        let port = store.spec().metrics.prometheus.port;
        let ports = json!([{ "name": "metrics", "port": port, "targetPort": "http", "protocol": "TCP" }]);
        let spec = json!({ "type": "ClusterIP", "selector": selector(&store.name), "ports": ports });
        let mut made = child(store, Kind::Service, &format!("{}-metrics", store.name), json!({ "spec": spec }));
        made.document["metadata"]["labels"]["app.kubernetes.io/component"] = json!("metrics");
        made
    })
}

fn policy(store: &Store<'_>) -> Option<Child> {
    store.spec().networking.network_policy.enabled.then(|| {
        let port = |name: &str| json!({ "port": name, "protocol": "TCP" });
        let ports: Vec<Value> = ["http"].into_iter().chain(has_s3_port(store).then_some("s3")).map(port).collect();
        let spec = json!({
            "podSelector": { "matchLabels": selector(&store.name) },
            "policyTypes": ["Ingress"],
            "ingress": [{ "ports": ports }],
        });
        child(store, Kind::NetworkPolicy, &store.name, json!({ "spec": spec }))
    })
}
