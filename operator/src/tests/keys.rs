//! Each key of the server's configuration is set by a field of the custom resource, or there is a reason why not.

use std::collections::{BTreeMap, BTreeSet};

use zot_settings::{Status, known_keys};

use super::fields::all;
use super::resource;
use crate::build::config::settings;

/// Keys that the operator sets by itself, or never.
const NO_FIELD: [(&str, &str); 27] = [
    ("auth.keyFile", "from a Secret: auth.keySecret, or one that the operator makes"),
    ("database.url", "has a password: from a Secret, by the environment"),
    ("extensions.metrics.health.enabled", "probes need it"),
    ("extensions.metrics.health.healthPath", "nobody looks but the probes"),
    ("extensions.metrics.health.livenessPath", "nobody looks but the probes"),
    ("extensions.metrics.health.readinessPath", "nobody looks but the probes"),
    ("extensions.rbac.issuers[].cacert", "from a ConfigMap: rbac.issuers[].caConfigMap"),
    ("extensions.rbac.keycloak.cacert", "from a ConfigMap: rbac.keycloak.caConfigMap"),
    ("extensions.rbac.kubernetes.apiServer", "a pod's own"),
    ("extensions.rbac.kubernetes.cacert", "a pod's own"),
    ("extensions.rbac.kubernetes.tokenFile", "a pod's own"),
    ("http.address", "the Service has to reach it"),
    ("http.tls.cacert", "from a Secret: http.tls.clientCaSecretName"),
    ("http.tls.cert", "from a Secret: http.tls.certSecretName"),
    ("http.tls.key", "from a Secret: http.tls.certSecretName"),
    ("log.audit", "a pod's files end with it: the trail is exported by the API"),
    ("log.output", "a pod logs to standard output"),
    ("storage.rootDirectory", "where the volume is mounted"),
    ("storage.storageDriver.accesskey", "from a Secret, by the environment"),
    ("storage.storageDriver.accountkey", "from a Secret, by the environment"),
    ("storage.storageDriver.keyfile", "from a Secret: storage.gcs.credentialsSecret"),
    ("storage.storageDriver.secretkey", "from a Secret, by the environment"),
    ("storage.storageDriver.secure", "an endpoint may be a URL, which says that"),
    ("storage.storageDriver.skipverify", "for tests alone: it gives up what TLS protects"),
    ("storage.storageDriver.name", "storage.type"),
    ("extensions.rbac.issuers[].name", "rbac.issuers[].name, which the issuer is known by"),
    ("http.port", "http.port"),
];

#[test]
fn each_key_has_a_field_or_a_reason() {
    let mut set: BTreeSet<String> = NO_FIELD.iter().map(|(key, _)| (*key).to_owned()).collect();
    for (before, after) in all() {
        let (before, after) = (resource(&before), resource(&after));
        let (Ok(before), Ok(after)) = (settings(&before.spec), settings(&after.spec)) else { continue };
        let leaves = |settings| {
            let mut found = BTreeMap::new();
            leaves(String::new(), &serde_json::to_value(settings).unwrap(), &mut found);
            found
        };
        let (before, after) = (leaves(&before), leaves(&after));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        set.extend(keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned());
    }
    let known = known_keys().into_iter().filter(|key| key.status == Status::Works).map(|key| key.path);
    let without: Vec<String> = known.filter(|key| !set.contains(key)).collect();
    assert!(without.is_empty(), "no field of the custom resource sets {without:?}, and no reason is given");
}

fn leaves(path: String, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                leaves(if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, found);
            }
        }
        serde_json::Value::Array(list) if list.first().is_some_and(serde_json::Value::is_object) => {
            leaves(format!("{path}[]"), &list[0], found);
        }
        other => drop(found.insert(path, other.to_string())),
    }
}
