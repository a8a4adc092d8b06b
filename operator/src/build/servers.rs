//! The Deployment of the servers.

pub(super) mod pod;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fingerprint::Fingerprint;
use super::object::{Child, owned, servers};
use crate::kinds::ObjectKind;
use crate::labels::{common, labels};
use crate::server_config::{generates_admin_key, render};
use crate::validate::ValidSpec;

/// Annotation of the pods: a hash of everything that a server reads when it starts.
pub(crate) const CONFIG_HASH: &str = "artifact.zotregistry.io/config-hash";
/// Annotation of the Deployment: the preflight after which its servers were started.
pub(crate) const PREFLIGHT: &str = "artifact.zotregistry.io/preflight";
/// Field managers that set the number of servers in place of the operator.
const SCALERS: [&str; 2] = ["kube-controller-manager", "scale"];

/// `preflight` is an annotation of the Deployment only: a new value does not replace servers.
pub(super) fn deployment(store: &ValidSpec<'_>, preflight: Option<String>) -> Child {
    let rolling =
        RollingUpdateDeployment { max_unavailable: Some(IntOrString::Int(0)), max_surge: Some(IntOrString::Int(1)) };
    // a volume can be attached to one node at a time
    let rolling = store.volume.is_none().then_some(rolling);
    let strategy = if rolling.is_some() { "RollingUpdate" } else { "Recreate" };
    let metadata = ObjectMeta {
        labels: Some(common(&store.name)),
        annotations: Some(labels([(CONFIG_HASH, &hash(store))])),
        ..ObjectMeta::default()
    };
    let spec = DeploymentSpec {
        selector: servers(store),
        strategy: Some(DeploymentStrategy { type_: Some(strategy.to_owned()), rolling_update: rolling }),
        revision_history_limit: Some(5),
        // users pause a store by an annotation of the resource
        paused: Some(false),
        progress_deadline_seconds: Some(600),
        template: PodTemplateSpec { metadata: Some(metadata), spec: Some(pod::spec(store)) },
        replicas: replicas(store),
        ..DeploymentSpec::default()
    };
    let body = Deployment { spec: Some(spec), ..Deployment::default() };
    let annotations = preflight.map(|name| labels([(PREFLIGHT, &name)])).unwrap_or_default();
    owned(store, ObjectKind::Deployment, &store.name, body).annotated(&annotations)
}

/// The number of servers that the operator applies; none if an autoscaler owns the number.
///
/// Kubernetes sets a field without an owner to 1. So after autoscaling is switched on, the operator keeps applying the
/// current number until the autoscaler has written it and owns it too.
fn replicas(store: &ValidSpec<'_>) -> Option<i32> {
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

fn hash(store: &ValidSpec<'_>) -> String {
    let mut hash = Fingerprint::default();
    let mut add = |part: &[u8]| hash.add(part);
    add(render(&store.settings).as_bytes());
    for ((kind, name), values) in &store.facts.inputs {
        add(kind.as_str().as_bytes());
        add(name.as_bytes());
        for (key, value) in values.iter().flatten() {
            add(key.as_bytes());
            add(value);
        }
    }
    if generates_admin_key(store.spec()) {
        let (access, secret) = &store.facts.admin;
        add(access.as_bytes());
        add(secret.as_bytes());
    }
    hash.first(16)
}
