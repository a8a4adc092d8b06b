//! The servers.

pub(super) mod pod;

use serde_json::{Value, json};

use super::{Child, Fingerprint, child, labels, preflight, selector};
use crate::api::Kind;
use crate::validate::Store;

/// Annotation of the pods that changes when anything changes that they read at their start.
pub(crate) const CONFIG_HASH: &str = "artifact.zotregistry.io/config-hash";
/// Who else may own the number of servers.
const SCALERS: [&str; 2] = ["kube-controller-manager", "scale"];

pub(super) fn deployment(store: &Store<'_>) -> Child {
    let strategy = if store.volume.is_some() {
        // a volume is one node's at a time
        json!({ "type": "Recreate" })
    } else {
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } })
    };
    let mut pod_labels = labels(store);
    merge(&mut pod_labels, selector(&store.name));
    let mut spec = json!({
        "selector": { "matchLabels": selector(&store.name) },
        "strategy": strategy,
        "revisionHistoryLimit": 5,
        // nobody's but the operator's, who has an annotation for it
        "paused": false,
        "progressDeadlineSeconds": 600,
        "template": {
            "metadata": { "labels": pod_labels, "annotations": { CONFIG_HASH: hash(store) } },
            "spec": pod::spec(store),
        },
    });
    if let Some(replicas) = replicas(store) {
        spec["replicas"] = json!(replicas);
    }
    let mut made = child(store, Kind::Deployment, &store.name, json!({ "spec": spec }));
    if preflight::is_needed(store) {
        // of the Deployment alone: servers need not be replaced for it
        made.document["metadata"]["annotations"] = json!({ preflight::TRIED: preflight::name(store) });
    }
    made
}

/// How many servers the operator asks for; none: an autoscaler does.
///
/// A field that nobody owns becomes 1. So when autoscaling is switched on the operator goes on sending the number that is
/// there, until the autoscaler has written it and owns it too.
fn replicas(store: &Store<'_>) -> Option<i32> {
    let spec = store.spec();
    if !spec.autoscaling.enabled {
        return Some(spec.replicas);
    }
    let Some(deployment) = &store.facts.deployment else {
        return Some(spec.replicas.clamp(spec.autoscaling.min_replicas, spec.autoscaling.max_replicas));
    };
    let owned_elsewhere = deployment.metadata.managed_fields.iter().flatten().any(|entry| {
        let replicas = entry.fields_v1.as_ref().is_some_and(|fields| !fields.0["f:spec"]["f:replicas"].is_null());
        let manager = entry.manager.as_deref().unwrap_or_default();
        let scaler = entry.subresource.as_deref() == Some("scale") || SCALERS.contains(&manager);
        replicas && scaler
    });
    let live = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    if owned_elsewhere { None } else { live.or(Some(spec.replicas)) }
}

/// Of all that the servers read at their start.
fn hash(store: &Store<'_>) -> String {
    let mut hash = Fingerprint::default();
    let mut add = |part: &[u8]| hash.add(part);
    add(super::config::file(&store.settings).as_bytes());
    for ((source, name), values) in &store.facts.referenced {
        add(source.as_str().as_bytes());
        add(name.as_bytes());
        for (key, value) in values.iter().flatten() {
            add(key.as_bytes());
            add(value);
        }
    }
    if super::config::makes_admin(store.spec()) {
        let (access, secret) = &store.facts.admin;
        add(access.as_bytes());
        add(secret.as_bytes());
    }
    hash.first(16)
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
