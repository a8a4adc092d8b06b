//! What is answered about a store: conditions computed from what was found, and nothing that was not. Pure, but for the
//! patch at the end.

mod conditions;
mod rollout;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use zot_crds::ZotArtifactStore;
use zot_crds::spec::DatabaseType;
use zot_crds::status::{ConditionType, Endpoints, Phase, Reason, ZotArtifactStoreStatus};

pub(crate) use conditions::{Conditions, Found};
use rollout::Rollout;

use crate::api::Kind;
use crate::apply::{Applied, Outcome};
use crate::build::exposure::{self};
use crate::build::{APP, INSTANCE, MANAGED_BY, OPERATOR, monitoring, preflight};
use crate::error::Error;
use crate::troubles::Trouble;
use crate::validate::{Refusal, Store};

/// Owner of the status's fields.
const MANAGER: &str = "zot-artifact-store-operator-status";

/// What no store can be without.
const ESSENTIAL: [Kind; 7] = [
    Kind::ServiceAccount,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::PersistentVolumeClaim,
    Kind::PostgresCluster,
    Kind::Service,
    Kind::Deployment,
];

/// A store that was built and applied.
pub(crate) fn of_applied(
    store: &Store<'_>,
    applied: &[Applied],
    deployment: Option<&Deployment>,
    trouble: Option<&Trouble>,
) -> ZotArtifactStoreStatus {
    let mut status = begun(store.resource, deployment);
    let mut conditions = Conditions::of(store.resource);
    conditions.set(ConditionType::SpecValid, Found::yes(Reason::Valid, "all of it makes sense"));
    let rollout = Rollout::of(deployment);
    // what could be used before is not known to be so when nobody uses it
    let away = rollout.is_settled() && rollout.available == 0 && preflight::is_needed(store);
    let used = |found: Found| {
        if away {
            Found::unknown(Reason::ReplicasUnavailable, "no server takes requests: it is tried anew")
        } else {
            found
        }
    };
    conditions.set(ConditionType::StorageReady, used(storage(store)));
    conditions.set(ConditionType::DatabaseReady, used(database(store)));
    if let Some(found) = exposed(store, applied) {
        conditions.set(ConditionType::ExposureReady, found);
    }
    if let Some(found) = monitored(store, applied) {
        conditions.set(ConditionType::MonitoringReady, found);
    }
    conditions.set(ConditionType::Available, rollout.available());
    conditions.set(ConditionType::Progressing, rollout.progressing());
    conditions.set(ConditionType::Degraded, degraded(&conditions, applied, &rollout, trouble));
    conditions.set(ConditionType::Ready, ready(&conditions, &rollout, applied, trouble));
    status.phase = Some(rollout.phase(&conditions));
    status.endpoints = endpoints(store);
    status.service_endpoint =
        Some(format!("{}://{}", scheme(store), service(store, store.spec().networking.service.port)));
    let served = rollout.is_done().then(|| store.image());
    status.image = served.clone().or_else(|| status.image.take());
    status.version = served.as_deref().map(version).or_else(|| status.version.take());
    status.observed_generation = store.resource.metadata.generation;
    status.conditions = conditions.into();
    status
}

/// A store of which nothing can be made yet; what is there stays as it is.
pub(crate) fn of_refused(
    resource: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    refusal: &Refusal,
) -> ZotArtifactStoreStatus {
    let mut status = begun(resource, deployment);
    // of what was not looked at it stands what was found before, of the generation that it says
    let mut conditions = Conditions::kept(resource);
    conditions.remove(ConditionType::Paused);
    let rollout = Rollout::of(deployment);
    if refusal.condition != ConditionType::SpecValid {
        conditions.set(ConditionType::SpecValid, Found::yes(Reason::Valid, "all of it makes sense"));
    }
    let no = || Found::no(refusal.reason, refusal.message.clone());
    conditions.set(refusal.condition, no());
    conditions.set(ConditionType::Available, rollout.available());
    conditions.set(ConditionType::Progressing, Found::no(refusal.reason, "nothing is changed until that is put right"));
    conditions.set(ConditionType::Degraded, Found::yes(refusal.reason, refusal.message.clone()));
    conditions.set(ConditionType::Ready, no());
    let waits = match refusal.reason {
        Reason::PreflightRunning => true,
        // one that was there is not being made
        Reason::DatabaseProvisioning => deployment.is_none(),
        _ => false,
    };
    if waits {
        conditions.set(ConditionType::Degraded, Found::no(refusal.reason, refusal.message.clone()));
        conditions.set(ConditionType::Progressing, Found::yes(refusal.reason, refusal.message.clone()));
    }
    status.phase = Some(match (rollout.available > 0, waits) {
        (true, _) => Phase::Running,
        (false, true) => Phase::Pending,
        (false, false) => Phase::Failed,
    });
    status.observed_generation = resource.metadata.generation;
    status.conditions = conditions.into();
    status
}

/// A store that the user asked to be left alone: all stays as it was, but what is counted.
pub(crate) fn of_paused(
    resource: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    reason: Reason,
    message: &str,
) -> ZotArtifactStoreStatus {
    let mut status = begun(resource, deployment);
    let mut conditions = Conditions::kept(resource);
    conditions.set(ConditionType::Available, Rollout::of(deployment).available());
    conditions.set(ConditionType::Paused, Found::yes(reason, message));
    status.conditions = conditions.into();
    status
}

fn begun(resource: &ZotArtifactStore, deployment: Option<&Deployment>) -> ZotArtifactStoreStatus {
    let mut status = resource.status.clone().unwrap_or_default();
    let counts = deployment.and_then(|deployment| deployment.status.as_ref());
    status.replicas = counts.and_then(|counts| counts.replicas).unwrap_or(0);
    status.ready_replicas = counts.and_then(|counts| counts.ready_replicas).unwrap_or(0);
    status.selector = Some(format!("app={APP},{INSTANCE}={}", resource.name_any()));
    status.plan = Vec::new();
    status
}

/// Whether all servers that were asked for are there and take requests.
pub(crate) fn all_serve(deployment: Option<&Deployment>) -> bool {
    Rollout::of(deployment).is_done()
}

/// The reason of a condition, if it is `holds`.
pub(crate) fn reason<'a>(
    status: Option<&'a ZotArtifactStoreStatus>,
    of: ConditionType,
    holds: &str,
) -> Option<&'a str> {
    let condition = status?.conditions.iter().find(|it| it.type_ == of.as_str())?;
    (condition.status == holds).then_some(condition.reason.as_str())
}

fn storage(store: &Store<'_>) -> Found {
    if store.volume.is_none() {
        return Found::yes(Reason::StorageConfigured, "it was written to and read from");
    }
    let phase = store.facts.volume.as_ref().and_then(|volume| volume.status.as_ref()?.phase.as_deref());
    match phase {
        Some("Bound") => Found::yes(Reason::StorageConfigured, "the volume is there"),
        Some("Lost") => Found::no(Reason::VolumeLost, "the volume was lost: see the PersistentVolumeClaim"),
        _ => {
            let message = format!("the volume {}-data is not bound yet; it is when a server uses it", store.name);
            Found::unknown(Reason::VolumePending, message)
        }
    }
}

fn database(store: &Store<'_>) -> Found {
    match store.spec().database.r#type {
        DatabaseType::Postgres => Found::yes(Reason::DatabaseConfigured, "it was connected to"),
        DatabaseType::Embedded | DatabaseType::Mysql => {
            Found::yes(Reason::DatabaseConfigured, "it is a file of the volume")
        }
    }
}

/// What no store can be without, and is somebody else's.
pub(crate) fn foreign(applied: &[Applied]) -> Option<String> {
    let foreign = applied.iter().find(|(kind, _, outcome)| *outcome == Outcome::Foreign && ESSENTIAL.contains(kind));
    foreign.map(|(kind, name, _)| in_the_way(*kind, name))
}

/// What is to be done about an object that has a name of ours.
pub(crate) fn in_the_way(kind: Kind, name: &str) -> String {
    let what = format!("there is a {} {name} that is not this store's", kind.as_str());
    if kind.is_kept() {
        // it may be the only one there is
        return format!(
            "{what}: if you restored it for this store, label it {MANAGED_BY}={OPERATOR} and {INSTANCE} with the store's name; else \
             rename or remove it"
        );
    }
    format!("{what}: rename or remove it")
}

/// The first kind that could not be made, and why.
fn hindered(store: &Store<'_>, applied: &[Applied], kinds: &[Kind]) -> Option<Found> {
    kinds.iter().find_map(|kind| {
        if !store.facts.apis.has(*kind) {
            let message = format!("this cluster has no {}: it is made when there is one", kind.as_str());
            return Some(Found::no(Reason::DependencyApiMissing, message));
        }
        let foreign = applied.iter().find(|(made, _, outcome)| made == kind && *outcome == Outcome::Foreign);
        foreign.map(|(kind, name, _)| Found::no(Reason::Conflict, in_the_way(*kind, name)))
    })
}

fn exposed(store: &Store<'_>, applied: &[Applied]) -> Option<Found> {
    let kinds: Vec<Kind> = exposure::asked(store).into_iter().map(exposure::Exposure::kind).collect();
    let exposed = || Found::yes(Reason::Exposed, "the way in is there");
    (!kinds.is_empty()).then(|| hindered(store, applied, &kinds).unwrap_or_else(exposed))
}

fn monitored(store: &Store<'_>, applied: &[Applied]) -> Option<Found> {
    let kinds = monitoring::asked(store);
    let monitored = || Found::yes(Reason::Monitored, "the Prometheus operator can find it");
    (!kinds.is_empty()).then(|| hindered(store, applied, &kinds).unwrap_or_else(monitored))
}

fn degraded(conditions: &Conditions, applied: &[Applied], rollout: &Rollout, trouble: Option<&Trouble>) -> Found {
    // of whatever kind: it was asked for
    if let Some((kind, name, _)) = applied.iter().find(|(_, _, outcome)| *outcome == Outcome::Foreign) {
        return Found::yes(Reason::Conflict, in_the_way(*kind, name));
    }
    if let Some((Reason::VolumeLost, message)) = conditions.unmet(ConditionType::StorageReady) {
        return Found::yes(Reason::VolumeLost, message);
    }
    if let Some(trouble) = trouble {
        return Found::yes(trouble.reason, trouble.message.clone());
    }
    if rollout.has_failed() {
        return Found::yes(Reason::RolloutDeadlineExceeded, "servers could not be replaced in time: see their pods");
    }
    let kept = applied.iter().find_map(|(_, name, outcome)| match outcome {
        Outcome::Kept(said) => Some(format!("the volume {name} stays as it is: {said}")),
        _ => None,
    });
    kept.map_or_else(
        || Found::no(Reason::Settled, "nothing is wrong"),
        |message| Found::yes(Reason::VolumeNotResized, message),
    )
}

/// The cause comes before what it leads to: a volume waits as long as no server can be started.
fn ready(conditions: &Conditions, rollout: &Rollout, applied: &[Applied], trouble: Option<&Trouble>) -> Found {
    if let Some(message) = foreign(applied) {
        return Found::no(Reason::Conflict, message);
    }
    if let Some(trouble) = trouble {
        return Found::no(trouble.reason, trouble.message.clone());
    }
    let needed = [ConditionType::SpecValid, ConditionType::StorageReady, ConditionType::DatabaseReady];
    if let Some((reason, message)) = needed.iter().find_map(|of| conditions.unmet(*of)) {
        return Found::no(reason, message);
    }
    rollout.ready()
}

fn scheme(store: &Store<'_>) -> &'static str {
    if store.spec().http.tls.enabled { "https" } else { "http" }
}

fn service(store: &Store<'_>, port: i32) -> String {
    format!("{}.{}.svc:{port}", store.name, store.namespace)
}

fn endpoints(store: &Store<'_>) -> Endpoints {
    let spec = store.spec();
    let within = format!("{}://{}", scheme(store), service(store, spec.networking.service.port));
    let outside = exposure::host(store).map(|(host, tls)| format!("{}://{host}", if tls { "https" } else { "http" }));
    let s3api = &spec.extensions.s3api;
    let s3 = (s3api.enabled && s3api.port > 0).then(|| format!("{}://{}", scheme(store), service(store, s3api.port)));
    let metrics = (spec.metrics.enabled && spec.metrics.prometheus.enabled).then(|| {
        let (port, path) = (spec.metrics.prometheus.port, &spec.metrics.prometheus.path);
        format!("{}://{}-metrics.{}.svc:{port}{path}", scheme(store), store.name, store.namespace)
    });
    Endpoints { api: Some(outside.unwrap_or(within)), s3, metrics }
}

/// What an image says of its version.
fn version(image: &str) -> String {
    let version = image.rsplit_once('@').or_else(|| image.rsplit_once(':'));
    version.filter(|(_, version)| !version.contains('/')).map_or("latest", |(_, version)| version).to_owned()
}

/// Writes it, if it says anything new.
pub(crate) async fn write(
    client: &Client,
    resource: &ZotArtifactStore,
    status: &ZotArtifactStoreStatus,
) -> Result<bool, Error> {
    if resource.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let api: Api<ZotArtifactStore> = Api::namespaced(client.clone(), &resource.namespace().unwrap_or_default());
    let document = json!({
        "apiVersion": "artifact.zotregistry.io/v1alpha1",
        "kind": "ZotArtifactStore",
        "metadata": { "name": resource.name_any() },
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    let written = api.patch_status(&resource.name_any(), &parameters, &Patch::Apply(&document)).await;
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false), // deleted in between
        Err(error) => Err(Error::api("writing the status")(error)),
    }
}
