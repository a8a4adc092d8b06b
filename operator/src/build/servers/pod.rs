//! A server's pod: `restricted` by the Pod Security Standards, with a read-only root file system.

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, HTTPGetAction, Lifecycle, LifecycleHandler, LocalObjectReference, PersistentVolumeClaimVolumeSource,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile,
    SecretKeySelector, SecretVolumeSource, SecurityContext, SleepAction, TCPSocketAction, Volume, VolumeMount,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use zot_crds::spec::{DatabaseType, Quantities, StorageType};

use crate::build::account;
use crate::build::network::has_s3_port;
use crate::build::object::{servers, word};
use crate::server_config::{CLIENT_CA, CONFIG, DATA, GCS, ISSUERS, KEYS, TLS, has_master_key_secret};
use crate::validate::ValidSpec;

/// Seconds for which a terminating server still accepts requests, until all clients know that it stops.
const DRAIN_SECS: i64 = 5;
/// Seconds after which Kubernetes kills a terminating server.
const GRACE_SECS: i64 = 60;
/// Group of the volume, unless the cluster assigns one. It is the image's group.
const GROUP: i64 = 65532;

pub(in crate::build) fn spec(store: &ValidSpec<'_>) -> PodSpec {
    let spec = store.spec();
    let mounts = Mounts::of(store);
    let pull_secret = |name: &String| LocalObjectReference { name: name.clone() };
    PodSpec {
        service_account_name: Some(account::name(store).to_owned()),
        automount_service_account_token: Some(spec.rbac.enabled && spec.rbac.kubernetes.enabled),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECS),
        security_context: Some(security(store)),
        containers: vec![container(store, mounts.mounts)],
        volumes: Some(mounts.volumes),
        image_pull_secrets: some_if_any(spec.image.pull_secrets.iter().map(pull_secret).collect()),
        affinity: spec.affinity.clone().or_else(|| store.is_replicated().then(|| anti_affinity(store))),
        tolerations: some_if_any(spec.tolerations.clone()),
        node_selector: Some(spec.node_selector.clone()).filter(|labels| !labels.is_empty()),
        ..PodSpec::default()
    }
}

/// An empty list is not sent: the operator would own the field.
fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn container(store: &ValidSpec<'_>, mounts: Vec<VolumeMount>) -> Container {
    let spec = store.spec();
    let port = |name: &str, port: i32| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let s3 = has_s3_port(store).then(|| port("s3", spec.extensions.s3api.port));
    let sleep = LifecycleHandler { sleep: Some(SleepAction { seconds: DRAIN_SECS }), ..Default::default() };
    Container {
        name: "server".to_owned(),
        image: Some(store.image()),
        image_pull_policy: Some(word(&spec.image.pull_policy)),
        args: Some(vec!["--config".to_owned(), format!("{CONFIG}/config.yaml"), "serve".to_owned()]),
        env: Some(env(store)),
        ports: Some([Some(port("http", spec.http.port)), s3].into_iter().flatten().collect()),
        startup_probe: Some(probe(store, "ready", 2, 150)),
        readiness_probe: Some(probe(store, "ready", 5, 3)),
        liveness_probe: Some(probe(store, "live", 10, 3)),
        lifecycle: Some(Lifecycle { pre_stop: Some(sleep), ..Lifecycle::default() }),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&spec.resources.requests)),
            limits: Some(quantities(&spec.resources.limits)),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn quantities(of: &Quantities) -> std::collections::BTreeMap<String, Quantity> {
    let quantity = |name: &str, value: &Option<IntOrString>| {
        let text = match value.as_ref()? {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        Some((name.to_owned(), Quantity(text)))
    };
    quantity("cpu", &of.cpu).into_iter().chain(quantity("memory", &of.memory)).collect()
}

/// The kubelet has no client certificate. If the server requires one, the probe only checks that it listens.
fn probe(store: &ValidSpec<'_>, path: &str, period: i32, failures: i32) -> Probe {
    let tls = &store.spec().http.tls;
    let port = IntOrString::String("http".to_owned());
    let mut probe = Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    if tls.enabled && tls.client_ca_secret_name.is_some() {
        probe.tcp_socket = Some(TCPSocketAction { port, host: None });
    } else {
        let scheme = if tls.enabled { "HTTPS" } else { "HTTP" };
        let path = Some(format!("/health/{path}"));
        probe.http_get = Some(HTTPGetAction { path, port, scheme: Some(scheme.to_owned()), ..Default::default() });
    }
    probe
}

/// Secrets are references, so that the Deployment contains none.
fn env(store: &ValidSpec<'_>) -> Vec<EnvVar> {
    let spec = store.spec();
    let from = |variable: &str, secret: &str, key: &str| {
        let selector = SecretKeySelector { name: secret.to_owned(), key: key.to_owned(), optional: None };
        let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
        EnvVar { name: variable.to_owned(), value_from: Some(source), value: None }
    };
    let mut env = Vec::new();
    if spec.rbac.enabled {
        let generated = format!("{}-admin", store.name);
        let admin = spec.rbac.admin_secret.as_ref().map_or(generated.as_str(), |secret| secret.name.as_str());
        env.push(from("ZOT_ADMIN_ACCESS_KEY", admin, "access-key"));
        env.push(from("ZOT_ADMIN_SECRET_KEY", admin, "secret-key"));
    }
    if spec.database.r#type == DatabaseType::Postgres {
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

fn security(store: &ValidSpec<'_>) -> PodSecurityContext {
    let security = &store.spec().security_context;
    // OpenShift assigns ids to each namespace, and refuses others
    let group = security.fs_group.or_else(|| (!store.facts.apis.is_openshift()).then_some(GROUP));
    PodSecurityContext {
        run_as_non_root: Some(security.run_as_non_root),
        seccomp_profile: Some(SeccompProfile {
            type_: word(&security.seccomp_profile.r#type),
            localhost_profile: None,
        }),
        run_as_user: security.run_as_user,
        run_as_group: security.run_as_group,
        fs_group: group,
        fs_group_change_policy: group.map(|_| "OnRootMismatch".to_owned()),
        ..PodSecurityContext::default()
    }
}

/// Spreads the servers over nodes and zones where possible.
fn anti_affinity(store: &ValidSpec<'_>) -> Affinity {
    let term = |topology: &str, weight: i32| WeightedPodAffinityTerm {
        weight,
        pod_affinity_term: PodAffinityTerm {
            label_selector: Some(servers(store)),
            topology_key: topology.to_owned(),
            ..PodAffinityTerm::default()
        },
    };
    let preferred = vec![term("kubernetes.io/hostname", 100), term("topology.kubernetes.io/zone", 50)];
    let apart = PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(preferred),
        ..PodAntiAffinity::default()
    };
    Affinity { pod_anti_affinity: Some(apart), ..Affinity::default() }
}

#[derive(Default)]
struct Mounts {
    volumes: Vec<Volume>,
    mounts: Vec<VolumeMount>,
}

impl Mounts {
    fn of(store: &ValidSpec<'_>) -> Self {
        let spec = store.spec();
        let mut all = Self::default();
        all.config_map("config", CONFIG, &format!("{}-config", store.name));
        let (mut claim, mut empty) = (None, None);
        if store.volume.is_some() {
            let claim_name = format!("{}-data", store.name);
            claim = Some(PersistentVolumeClaimVolumeSource { claim_name, read_only: None });
        } else {
            empty = Some(EmptyDirVolumeSource::default());
        }
        all.add(
            DATA,
            false,
            Volume { name: "data".to_owned(), persistent_volume_claim: claim, empty_dir: empty, ..Volume::default() },
        );
        let tls = &spec.http.tls;
        if let (true, Some(secret)) = (tls.enabled, &tls.cert_secret_name) {
            all.secret("tls", TLS, secret, Some(0o440));
        }
        if let (true, Some(secret)) = (tls.enabled, &tls.client_ca_secret_name) {
            all.secret("client-ca", CLIENT_CA, secret, None);
        }
        if has_master_key_secret(spec) {
            let generated = format!("{}-keys", store.name);
            all.secret("keys", KEYS, spec.auth.key_secret.as_ref().unwrap_or(&generated), Some(0o440));
        }
        let gcs = spec.storage.gcs.as_ref().and_then(|gcs| gcs.credentials_secret.as_ref());
        if let (StorageType::Gcs, Some(secret)) = (spec.storage.r#type, gcs) {
            all.secret("gcs", GCS, secret, Some(0o440));
        }
        let realm = spec.rbac.keycloak.iter().filter_map(|it| it.ca_config_map.as_ref());
        let mut maps: Vec<&String> =
            realm.chain(spec.rbac.issuers.iter().filter_map(|it| it.ca_config_map.as_ref())).collect();
        maps.sort();
        maps.dedup();
        for (number, map) in maps.into_iter().enumerate() {
            all.config_map(&format!("issuer-{number}"), &format!("{ISSUERS}/{map}"), map);
        }
        all
    }

    fn config_map(&mut self, name: &str, path: &str, map: &str) {
        let source = ConfigMapVolumeSource { name: map.to_owned(), ..ConfigMapVolumeSource::default() };
        self.add(path, true, Volume { name: name.to_owned(), config_map: Some(source), ..Volume::default() });
    }

    fn secret(&mut self, name: &str, path: &str, secret: &str, mode: Option<i32>) {
        let source = SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: mode,
            ..SecretVolumeSource::default()
        };
        self.add(path, true, Volume { name: name.to_owned(), secret: Some(source), ..Volume::default() });
    }

    fn add(&mut self, path: &str, read_only: bool, volume: Volume) {
        self.mounts.push(VolumeMount {
            name: volume.name.clone(),
            mount_path: path.to_owned(),
            read_only: Some(read_only),
            ..VolumeMount::default()
        });
        self.volumes.push(volume);
    }
}
