//! The pod of a server: restricted in the sense of the Pod Security Standards, with a read-only root.

use serde_json::{Value, json};
use zot_crds::spec::{Quantities, StorageType};

use crate::build::config::{CLIENT_CA, CONFIG, DATA, GCS, ISSUERS, KEYS, TLS, has_keys};
use crate::build::network::has_s3_port;
use crate::build::{account, selector};
use crate::validate::Store;

/// Seconds for which a server that is to end still takes requests: until everybody knows that it is going.
const DRAIN_SECS: u32 = 5;
/// Seconds after which it is killed.
const GRACE_SECS: u32 = 60;
/// Group of the volume where the cluster does not choose one; the image's own.
const GROUP: i64 = 65532;

pub(in crate::build) fn spec(store: &Store<'_>) -> Value {
    let spec = store.spec();
    let mounts = Mounts::of(store);
    let mut pod = json!({
        "serviceAccountName": account::name(store),
        "automountServiceAccountToken": spec.rbac.enabled && spec.rbac.kubernetes.enabled,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECS,
        "securityContext": security(store),
        "containers": [container(store, &mounts)],
        "volumes": mounts.volumes,
    });
    if !spec.image.pull_secrets.is_empty() {
        let secrets: Vec<Value> = spec.image.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
        pod["imagePullSecrets"] = json!(secrets);
    }
    if let Some(affinity) = &spec.affinity {
        pod["affinity"] = json!(affinity);
    } else if store.is_replicated() {
        pod["affinity"] = apart(store);
    }
    if !spec.tolerations.is_empty() {
        pod["tolerations"] = json!(spec.tolerations);
    }
    if !spec.node_selector.is_empty() {
        pod["nodeSelector"] = json!(spec.node_selector);
    }
    pod
}

fn container(store: &Store<'_>, mounts: &Mounts) -> Value {
    let spec = store.spec();
    let mut ports = vec![json!({ "name": "http", "containerPort": spec.http.port, "protocol": "TCP" })];
    if has_s3_port(store) {
        ports.push(json!({ "name": "s3", "containerPort": spec.extensions.s3api.port, "protocol": "TCP" }));
    }
    json!({
        "name": "server",
        "image": store.image(),
        "imagePullPolicy": spec.image.pull_policy.as_str(),
        "args": ["--config", format!("{CONFIG}/config.yaml"), "serve"],
        "env": env(store),
        "ports": ports,
        "startupProbe": probe(store, "ready", 2, 150),
        "readinessProbe": probe(store, "ready", 5, 3),
        "livenessProbe": probe(store, "live", 10, 3),
        "lifecycle": { "preStop": { "sleep": { "seconds": DRAIN_SECS } } },
        "resources": { "requests": quantities(&spec.resources.requests), "limits": quantities(&spec.resources.limits) },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts.mounts,
    })
}

fn quantities(of: &Quantities) -> Value {
    let mut found = json!({});
    for (name, quantity) in [("cpu", &of.cpu), ("memory", &of.memory)] {
        if let Some(quantity) = quantity {
            found[name] = json!(quantity);
        }
    }
    found
}

/// A server that asks clients for certificates has none of the kubelet's: then it is enough that it listens.
fn probe(store: &Store<'_>, path: &str, period: u32, failures: u32) -> Value {
    let tls = &store.spec().http.tls;
    let mut probe = json!({ "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5 });
    if tls.enabled && tls.client_ca_secret_name.is_some() {
        probe["tcpSocket"] = json!({ "port": "http" });
    } else {
        let scheme = if tls.enabled { "HTTPS" } else { "HTTP" };
        probe["httpGet"] = json!({ "path": format!("/health/{path}"), "port": "http", "scheme": scheme });
    }
    probe
}

/// Secrets come by reference, so that none is in the Deployment.
fn env(store: &Store<'_>) -> Vec<Value> {
    let spec = store.spec();
    let from = |variable: &str, secret: &str, key: &str| json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } });
    let mut env = Vec::new();
    if spec.rbac.enabled {
        let made = format!("{}-admin", store.name);
        let admin = spec.rbac.admin_secret.as_ref().map_or(made.as_str(), |secret| secret.name.as_str());
        env.push(from("ZOT_ADMIN_ACCESS_KEY", admin, "access-key"));
        env.push(from("ZOT_ADMIN_SECRET_KEY", admin, "secret-key"));
    }
    if spec.database.r#type == zot_crds::spec::DatabaseType::Postgres {
        env.push(from("ZOT_DATABASE_URL", &format!("{}-database", store.name), "url"));
    }
    let storage = &spec.storage;
    match storage.r#type {
        StorageType::S3 => {
            if let Some(secret) = storage.s3.as_ref().and_then(|s3| s3.access_key_secret.as_ref()) {
                env.push(from("AWS_ACCESS_KEY_ID", &secret.name, &secret.access_key_field));
                env.push(from("AWS_SECRET_ACCESS_KEY", &secret.name, &secret.secret_key_field));
            }
        }
        StorageType::Azure => {
            if let Some(secret) = storage.azure.as_ref().and_then(|azure| azure.credentials_secret.as_ref()) {
                env.push(from("AZURE_STORAGE_ACCOUNT_KEY", secret, "account-key"));
            }
        }
        StorageType::Gcs | StorageType::Filesystem => {}
    }
    env
}

fn security(store: &Store<'_>) -> Value {
    let asked = &store.spec().security_context;
    let mut security = json!({
        "runAsNonRoot": asked.run_as_non_root,
        "seccompProfile": { "type": asked.seccomp_profile.r#type.as_str() },
    });
    // OpenShift gives each namespace ids of its own, and refuses others
    let group = asked.fs_group.or_else(|| (!store.facts.apis.is_openshift()).then_some(GROUP));
    for (name, id) in [("runAsUser", asked.run_as_user), ("runAsGroup", asked.run_as_group), ("fsGroup", group)] {
        if let Some(id) = id {
            security[name] = json!(id);
        }
    }
    if group.is_some() {
        security["fsGroupChangePolicy"] = json!("OnRootMismatch");
    }
    security
}

/// Servers keep to nodes and zones of their own where they can.
fn apart(store: &Store<'_>) -> Value {
    let term = |topology: &str, weight: u32| {
        json!({
            "weight": weight,
            "podAffinityTerm": {
                "labelSelector": { "matchLabels": selector(&store.name) },
                "topologyKey": topology,
            },
        })
    };
    let preferred = [term("kubernetes.io/hostname", 100), term("topology.kubernetes.io/zone", 50)];
    json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": preferred } })
}

/// What is mounted, and where.
#[derive(Default)]
struct Mounts {
    volumes: Vec<Value>,
    mounts: Vec<Value>,
}

impl Mounts {
    fn of(store: &Store<'_>) -> Self {
        let spec = store.spec();
        let mut all = Self::default();
        all.add("config", CONFIG, true, ("configMap", json!({ "name": format!("{}-config", store.name) })));
        if store.volume.is_some() {
            let claim = json!({ "claimName": format!("{}-data", store.name) });
            all.add("data", DATA, false, ("persistentVolumeClaim", claim));
        } else {
            all.add("data", DATA, false, ("emptyDir", json!({})));
        }
        let tls = &spec.http.tls;
        if let (true, Some(secret)) = (tls.enabled, &tls.cert_secret_name) {
            all.add("tls", TLS, true, ("secret", json!({ "secretName": secret, "defaultMode": 0o440 })));
        }
        if let (true, Some(secret)) = (tls.enabled, &tls.client_ca_secret_name) {
            all.add("client-ca", CLIENT_CA, true, ("secret", json!({ "secretName": secret })));
        }
        if has_keys(spec) {
            let made = format!("{}-keys", store.name);
            let secret = spec.auth.key_secret.as_ref().unwrap_or(&made);
            all.add("keys", KEYS, true, ("secret", json!({ "secretName": secret, "defaultMode": 0o440 })));
        }
        let gcs = spec.storage.gcs.as_ref().and_then(|gcs| gcs.credentials_secret.as_ref());
        if let (StorageType::Gcs, Some(secret)) = (spec.storage.r#type, gcs) {
            all.add("gcs", GCS, true, ("secret", json!({ "secretName": secret, "defaultMode": 0o440 })));
        }
        let realm = spec.rbac.keycloak.iter().filter_map(|it| it.ca_config_map.as_ref());
        let mut maps: Vec<&String> =
            realm.chain(spec.rbac.issuers.iter().filter_map(|it| it.ca_config_map.as_ref())).collect();
        maps.sort();
        maps.dedup();
        for (number, map) in maps.into_iter().enumerate() {
            let name = format!("issuer-{number}");
            all.add(&name, &format!("{ISSUERS}/{map}"), true, ("configMap", json!({ "name": map })));
        }
        all
    }

    fn add(&mut self, name: &str, path: &str, read_only: bool, (kind, source): (&str, Value)) {
        self.volumes.push(json!({ "name": name, kind: source }));
        self.mounts.push(json!({ "name": name, "mountPath": path, "readOnly": read_only }));
    }
}
