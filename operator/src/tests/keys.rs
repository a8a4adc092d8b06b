//! Each key of the server's configuration has a field of the custom resource, or a reason why it has none.

use std::collections::{BTreeMap, BTreeSet};

use zot_settings::{Status, known_keys};

use super::fields::all;
use super::resource;
use crate::server_config::settings;

/// Keys without a field, and why.
const NO_FIELD: [(&str, &str); 27] = [
    ("auth.keyFile", "from a Secret: auth.keySecret, or one that the operator generates"),
    ("database.url", "contains a password: from a Secret, by an environment variable"),
    ("extensions.metrics.health.enabled", "the probes use it"),
    ("extensions.metrics.health.healthPath", "only the probes use it"),
    ("extensions.metrics.health.livenessPath", "only the probes use it"),
    ("extensions.metrics.health.readinessPath", "only the probes use it"),
    ("extensions.rbac.issuers[].cacert", "from a ConfigMap: rbac.issuers[].caConfigMap"),
    ("extensions.rbac.keycloak.cacert", "from a ConfigMap: rbac.keycloak.caConfigMap"),
    ("extensions.rbac.kubernetes.apiServer", "the pod's default"),
    ("extensions.rbac.kubernetes.cacert", "the pod's default"),
    ("extensions.rbac.kubernetes.tokenFile", "the pod's default"),
    ("http.address", "the Service has to reach it"),
    ("http.tls.cacert", "from a Secret: http.tls.clientCaSecretName"),
    ("http.tls.cert", "from a Secret: http.tls.certSecretName"),
    ("http.tls.key", "from a Secret: http.tls.certSecretName"),
    ("log.audit", "files of a pod are lost with it: the API exports the audit log"),
    ("log.output", "a pod logs to standard output"),
    ("storage.rootDirectory", "where the volume is mounted"),
    ("storage.storageDriver.accesskey", "from a Secret, by an environment variable"),
    ("storage.storageDriver.accountkey", "from a Secret, by an environment variable"),
    ("storage.storageDriver.keyfile", "from a Secret: storage.gcs.credentialsSecret"),
    ("storage.storageDriver.secretkey", "from a Secret, by an environment variable"),
    ("storage.storageDriver.secure", "the scheme of the endpoint's URL sets it"),
    ("storage.storageDriver.skipverify", "for tests only: it disables the protection of TLS"),
    ("storage.storageDriver.name", "storage.type"),
    ("extensions.rbac.issuers[].name", "rbac.issuers[].name, which identifies the issuer"),
    ("http.port", "http.port"),
];

#[test]
fn every_key_has_a_field_or_a_reason() {
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
