//! A Job that checks the bucket and the database with the servers' image, identity and configuration, before any server
//! starts.
//!
//! It has its own copy of the configuration. Running servers keep theirs until the new one has passed.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, PodSpec, PodTemplateSpec, ResourceRequirements, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use zot_crds::spec::{DatabaseType, StorageType};
use zot_crds::status::ConditionType;

use super::fingerprint::Fingerprint;
use super::object::{Child, owned};
use super::{account, config, servers};
use crate::kinds::ObjectKind;
use crate::labels::{COMPONENT, INSTANCE, MANAGED_BY, OPERATOR, labels};
use crate::references::references;
use crate::server_config::CONFIG;
use crate::validate::ValidSpec;

/// Seconds after which the Job fails. They include the time to pull the image.
const DEADLINE_SECS: i64 = 300;
/// Name of the pod's container, and value of the label [`COMPONENT`].
pub(crate) const PREFLIGHT: &str = "preflight";

/// Whether a store uses a bucket or a database server.
pub(crate) fn is_needed(store: &ValidSpec<'_>) -> bool {
    let spec = store.spec();
    spec.storage.r#type != StorageType::Filesystem || spec.database.r#type == DatabaseType::Postgres
}

/// The Job's name. It differs for each configuration that has to be checked, and for each pod that checks it.
pub(crate) fn name(store: &ValidSpec<'_>) -> String {
    job_name(store, &pod(store, &inputs_name(store)))
}

fn job_name(store: &ValidSpec<'_>, pod: &PodSpec) -> String {
    let mut hash = Fingerprint::default();
    let spec = store.spec();
    hash.add(json!([spec.storage, spec.database, spec.service_account, pod]).to_string().as_bytes());
    for reference in references(store.resource) {
        if matches!(reference.condition, ConditionType::StorageReady | ConditionType::DatabaseReady) {
            let values = store.facts.inputs.get(&(reference.kind, reference.name)).and_then(Option::as_ref);
            for key in &reference.keys {
                hash.add(values.and_then(|values| values.get(key)).map(Vec::as_slice).unwrap_or_default());
            }
        }
    }
    format!("{}-preflight-{}", store.name, hash.first(4))
}

/// Name of the ConfigMap and of the Secret that the Job reads.
fn inputs_name(store: &ValidSpec<'_>) -> String {
    format!("{}-preflight", store.name)
}

/// The Job and the objects that it needs.
pub(crate) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    let inputs = inputs_name(store);
    let mut children: Vec<Child> = account::children(store).into_iter().collect();
    children.push(config::config_map(store, &inputs));
    if store.spec().database.r#type == DatabaseType::Postgres {
        children.push(config::database_secret(store, &inputs));
    }
    children.push(job(store, &inputs));
    children
}

/// A server's pod, without what a preflight does not need: master keys, certificates and the admin's key may not exist yet.
fn pod(store: &ValidSpec<'_>, inputs: &str) -> PodSpec {
    let mut pod = servers::pod::spec(store);
    pod.restart_policy = Some("Never".to_owned());
    pod.termination_grace_period_seconds = Some(5);
    pod.automount_service_account_token = Some(false);
    pod.affinity = None;
    let needed = |name: &str| ["config", "data", "gcs"].contains(&name);
    let volumes = pod.volumes.get_or_insert_default();
    volumes.retain(|volume| needed(&volume.name));
    for volume in volumes {
        if let Some(map) = &mut volume.config_map {
            inputs.clone_into(&mut map.name);
        }
        if volume.name == "data" {
            let empty = Some(EmptyDirVolumeSource::default());
            *volume = Volume { name: "data".to_owned(), empty_dir: empty, ..Volume::default() };
        }
    }
    for container in &mut pod.containers {
        PREFLIGHT.clone_into(&mut container.name);
        // small, so that it fits where servers use almost everything
        let amounts = |cpu: &str, memory: &str| {
            Some([("cpu", cpu), ("memory", memory)].map(|(name, it)| (name.to_owned(), Quantity(it.to_owned()))).into())
        };
        let (requests, limits) = (amounts("10m", "32Mi"), amounts("1", "256Mi"));
        container.resources = Some(ResourceRequirements { requests, limits, claims: None });
        let config = format!("{CONFIG}/config.yaml");
        let args = ["--config", &config, "preflight", "--report", "/dev/termination-log"];
        container.args = Some(args.map(str::to_owned).to_vec());
        container.ports = None;
        container.startup_probe = None;
        container.readiness_probe = None;
        container.liveness_probe = None;
        container.lifecycle = None;
        container.volume_mounts.get_or_insert_default().retain(|mount| needed(&mount.name));
        let env = container.env.get_or_insert_default();
        env.retain(|variable| !variable.name.starts_with("ZOT_ADMIN_"));
        for variable in env.iter_mut().filter(|variable| variable.name == "ZOT_DATABASE_URL") {
            if let Some(key) = variable.value_from.as_mut().and_then(|source| source.secret_key_ref.as_mut()) {
                inputs.clone_into(&mut key.name);
            }
        }
    }
    pod
}

fn job(store: &ValidSpec<'_>, inputs: &str) -> Child {
    let pod = pod(store, inputs);
    let name = job_name(store, &pod);
    // without the servers' label `app`, so that no Service selects the pod
    let labels = labels([(INSTANCE, &store.name), (MANAGED_BY, OPERATOR), (COMPONENT, PREFLIGHT)]);
    let metadata = ObjectMeta { labels: Some(labels), ..ObjectMeta::default() };
    let spec = JobSpec {
        backoff_limit: Some(0),
        active_deadline_seconds: Some(DEADLINE_SECS),
        template: PodTemplateSpec { metadata: Some(metadata), spec: Some(pod) },
        ..JobSpec::default()
    };
    owned(store, ObjectKind::Job, &name, Job { spec: Some(spec), ..Job::default() }).with_component(PREFLIGHT)
}
