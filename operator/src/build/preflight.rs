//! A Job that tries whether bucket and database can be used, as the servers would: with their image, their identity and
//! their configuration, and before any of them starts.
//!
//! It has a configuration of its own, so that servers that run keep theirs until it is known that the new one can be used.

use serde_json::{Value, json};
use zot_crds::spec::{DatabaseType, StorageType};
use zot_crds::status::ConditionType;

use super::{Child, Fingerprint, INSTANCE, MANAGED_BY, OPERATOR, account, child, config, servers};
use crate::api::Kind;
use crate::references::references;
use crate::validate::Store;

/// Seconds that it may take, an image to be pulled included.
const DEADLINE_SECS: u32 = 300;

/// Whether anything of a store is outside its volume.
pub(crate) fn is_needed(store: &Store<'_>) -> bool {
    let spec = store.spec();
    spec.storage.r#type != StorageType::Filesystem || spec.database.r#type == DatabaseType::Postgres
}

/// Annotation of the Deployment: the preflight that its servers were started after.
pub(crate) const TRIED: &str = "artifact.zotregistry.io/preflight";
/// The one container of its pod.
pub(crate) const CONTAINER: &str = "preflight";
/// Label of the Job and its pods.
pub(crate) const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "preflight");

/// The Job's name: another one where anything else is to be tried, or by another pod.
pub(crate) fn name(store: &Store<'_>) -> String {
    named(store, &pod(store, &format!("{}-preflight", store.name)))
}

fn named(store: &Store<'_>, pod: &Value) -> String {
    let mut hash = Fingerprint::default();
    let spec = store.spec();
    hash.add(json!([spec.storage, spec.database, spec.service_account, pod]).to_string().as_bytes());
    for reference in references(store.resource) {
        if matches!(reference.condition, ConditionType::StorageReady | ConditionType::DatabaseReady) {
            let values = store.facts.referenced.get(&(reference.source, reference.name)).and_then(Option::as_ref);
            for key in &reference.keys {
                hash.add(values.and_then(|values| values.get(key)).map(Vec::as_slice).unwrap_or_default());
            }
        }
    }
    format!("{}-preflight-{}", store.name, hash.first(4))
}

/// It and what it needs.
pub(crate) fn children(store: &Store<'_>) -> Vec<Child> {
    let needed = format!("{}-preflight", store.name);
    let mut children: Vec<Child> = account::children(store).into_iter().collect();
    children.push(config::config_map(store, &needed));
    if store.spec().database.r#type == DatabaseType::Postgres {
        children.push(config::database_secret(store, &needed));
    }
    children.push(job(store, &needed));
    children
}

fn pod(store: &Store<'_>, needed: &str) -> Value {
    let mut pod = servers::pod::spec(store);
    pod["restartPolicy"] = json!("Never");
    pod["terminationGracePeriodSeconds"] = json!(5);
    pod["automountServiceAccountToken"] = json!(false);
    pod["affinity"] = Value::Null;
    for volume in pod["volumes"].as_array_mut().into_iter().flatten() {
        if volume["name"] == "config" {
            volume["configMap"]["name"] = json!(needed);
        }
        if volume["name"] == "data" {
            *volume = json!({ "name": "data", "emptyDir": {} });
        }
    }
    // master keys and certificates are nothing to try, and may not be there yet
    let only = ["config", "data", "gcs"];
    let kept = |entry: &Value| entry["name"].as_str().is_some_and(|name| only.contains(&name));
    let container = &mut pod["containers"][0];
    container["name"] = json!(CONTAINER);
    // it has to find room where servers have taken it all
    container["resources"] =
        json!({ "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "cpu": "1", "memory": "256Mi" } });
    container["args"] =
        json!(
            ["--config", format!("{}/config.yaml", config::CONFIG), "preflight", "--report", "/dev/termination-log",]
        );
    for part in ["ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"] {
        container[part] = Value::Null;
    }
    retain(&mut container["volumeMounts"], kept);
    let database = format!("{}-database", store.name);
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable["valueFrom"]["secretKeyRef"]["name"] == database.as_str() {
            variable["valueFrom"]["secretKeyRef"]["name"] = json!(needed);
        }
    }
    // who may do what is nothing to try
    retain(&mut container["env"], |variable| {
        !variable["name"].as_str().is_some_and(|name| name.starts_with("ZOT_ADMIN_"))
    });
    retain(&mut pod["volumes"], kept);
    config::tidy(&mut pod);
    pod
}

fn job(store: &Store<'_>, needed: &str) -> Child {
    let pod = pod(store, needed);
    let name = named(store, &pod);
    // not of the servers: no Service finds them
    let labels = json!({ INSTANCE: store.name, MANAGED_BY: OPERATOR, COMPONENT.0: COMPONENT.1 });
    let spec = json!({
        "backoffLimit": 0,
        "activeDeadlineSeconds": DEADLINE_SECS,
        "template": { "metadata": { "labels": labels }, "spec": pod },
    });
    let mut job = child(store, Kind::Job, &name, json!({ "spec": spec }));
    job.document["metadata"]["labels"][COMPONENT.0] = json!(COMPONENT.1);
    job
}

fn retain(list: &mut Value, kept: impl Fn(&Value) -> bool) {
    if let Some(list) = list.as_array_mut() {
        list.retain(kept);
    }
}
