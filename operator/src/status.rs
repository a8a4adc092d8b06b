//! Computes a store's status. Everything but [`write`] is pure.

mod conditions;
mod rollout;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use zot_crds::ZotArtifactStore;
use zot_crds::spec::DatabaseType;
use zot_crds::status::{ConditionType, Endpoints, Phase, Reason, ZotArtifactStoreStatus};

use conditions::{ConditionSet, ConditionState};
use rollout::Rollout;

use crate::apply::{Applied, ApplyOutcome};
use crate::build::{exposure, monitoring, preflight};
use crate::diagnostics::Diagnosis;
use crate::error::{Error, StoreRefusal};
use crate::kinds::ObjectKind;
use crate::labels::{APP, INSTANCE};
use crate::validate::ValidSpec;

/// Field manager of the status.
const MANAGER: &str = "zot-artifact-store-operator-status";

const SPEC_VALID: &str = "the spec is valid";

/// Kinds without which no store can serve.
const ESSENTIAL: [ObjectKind; 7] = [
    ObjectKind::ServiceAccount,
    ObjectKind::Secret,
    ObjectKind::ConfigMap,
    ObjectKind::PersistentVolumeClaim,
    ObjectKind::PostgresCluster,
    ObjectKind::Service,
    ObjectKind::Deployment,
];

pub(crate) fn of_applied(
    store: &ValidSpec<'_>,
    applied: &[Applied],
    deployment: Option<&Deployment>,
    diagnosis: Option<&Diagnosis>,
) -> ZotArtifactStoreStatus {
    let mut status = base(store.resource, deployment);
    let mut conditions = ConditionSet::of(store.resource);
    conditions.set(ConditionType::SpecValid, ConditionState::yes(Reason::Valid, SPEC_VALID));
    let rollout = Rollout::of(deployment);
    // without an available server, an earlier check proves nothing
    let unavailable = rollout.is_settled() && rollout.available == 0 && preflight::is_needed(store);
    let checked = |state: ConditionState| {
        if unavailable {
            ConditionState::unknown(Reason::ReplicasUnavailable, "no server is available: the preflight runs again")
        } else {
            state
        }
    };
    conditions.set(ConditionType::StorageReady, checked(storage(store)));
    conditions.set(ConditionType::DatabaseReady, checked(database(store)));
    if let Some(state) = exposed(store, applied) {
        conditions.set(ConditionType::ExposureReady, state);
    }
    if let Some(state) = monitored(store, applied) {
        conditions.set(ConditionType::MonitoringReady, state);
    }
    conditions.set(ConditionType::Available, rollout.available());
    conditions.set(ConditionType::Progressing, rollout.progressing());
    conditions.set(ConditionType::Degraded, degraded(&conditions, applied, &rollout, diagnosis));
    conditions.set(ConditionType::Ready, ready(&conditions, &rollout, applied, diagnosis));
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

/// The operator changes nothing until the user has acted. Conditions that were not checked stay as they are.
pub(crate) fn of_refused(
    resource: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    refusal: &StoreRefusal,
) -> ZotArtifactStoreStatus {
    let mut status = base(resource, deployment);
    let mut conditions = ConditionSet::kept(resource);
    conditions.remove(ConditionType::Paused);
    let rollout = Rollout::of(deployment);
    if refusal.condition != ConditionType::SpecValid {
        conditions.set(ConditionType::SpecValid, ConditionState::yes(Reason::Valid, SPEC_VALID));
    }
    let no = || ConditionState::no(refusal.reason, refusal.message.clone());
    conditions.set(refusal.condition, no());
    conditions.set(ConditionType::Available, rollout.available());
    conditions.set(
        ConditionType::Progressing,
        ConditionState::no(refusal.reason, "the operator changes nothing until this is corrected"),
    );
    conditions.set(ConditionType::Degraded, ConditionState::yes(refusal.reason, refusal.message.clone()));
    conditions.set(ConditionType::Ready, no());
    let waits = match refusal.reason {
        Reason::PreflightRunning => true,
        // a database that servers have used is not being created
        Reason::DatabaseProvisioning => deployment.is_none(),
        _ => false,
    };
    if waits {
        conditions.set(ConditionType::Degraded, ConditionState::no(refusal.reason, refusal.message.clone()));
        conditions.set(ConditionType::Progressing, ConditionState::yes(refusal.reason, refusal.message.clone()));
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

/// The operator is paused. Only `Available` and the numbers of servers are updated.
pub(crate) fn of_paused(
    resource: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    reason: Reason,
    message: &str,
) -> ZotArtifactStoreStatus {
    let mut status = base(resource, deployment);
    let mut conditions = ConditionSet::kept(resource);
    conditions.set(ConditionType::Available, Rollout::of(deployment).available());
    conditions.set(ConditionType::Paused, ConditionState::yes(reason, message));
    status.conditions = conditions.into();
    status
}

fn base(resource: &ZotArtifactStore, deployment: Option<&Deployment>) -> ZotArtifactStoreStatus {
    let mut status = resource.status.clone().unwrap_or_default();
    let counts = deployment.and_then(|deployment| deployment.status.as_ref());
    status.replicas = counts.and_then(|counts| counts.replicas).unwrap_or(0);
    status.ready_replicas = counts.and_then(|counts| counts.ready_replicas).unwrap_or(0);
    status.selector = Some(format!("app={APP},{INSTANCE}={}", resource.name_any()));
    status.plan = Vec::new();
    status
}

/// Whether the rollout is complete and all servers are available.
pub(crate) fn all_available(deployment: Option<&Deployment>) -> bool {
    Rollout::of(deployment).is_done()
}

/// The reason of a condition whose status is `holds`.
pub(crate) fn reason<'a>(
    status: Option<&'a ZotArtifactStoreStatus>,
    of: ConditionType,
    holds: &str,
) -> Option<&'a str> {
    let condition = status?.conditions.iter().find(|it| it.type_ == of.as_str())?;
    (condition.status == holds).then_some(condition.reason.as_str())
}

fn storage(store: &ValidSpec<'_>) -> ConditionState {
    if store.volume.is_none() {
        return ConditionState::yes(Reason::StorageConfigured, "the bucket can be written and read");
    }
    let phase = store.facts.volume.as_ref().and_then(|volume| volume.status.as_ref()?.phase.as_deref());
    match phase {
        Some("Bound") => ConditionState::yes(Reason::StorageConfigured, "the volume is bound"),
        Some("Lost") => {
            ConditionState::no(Reason::VolumeLost, "the volume was lost: see the events of the PersistentVolumeClaim")
        }
        _ => {
            let message = format!(
                "the PersistentVolumeClaim {}-data is not bound yet; some storage classes wait for the first server",
                store.name
            );
            ConditionState::unknown(Reason::VolumePending, message)
        }
    }
}

fn database(store: &ValidSpec<'_>) -> ConditionState {
    match store.spec().database.r#type {
        DatabaseType::Postgres => ConditionState::yes(Reason::DatabaseConfigured, "the servers can connect"),
        DatabaseType::Embedded | DatabaseType::Mysql => {
            ConditionState::yes(Reason::DatabaseConfigured, "the database is a file on the volume")
        }
    }
}

/// The message about a foreign object that blocks the store.
pub(crate) fn blocking_conflict(applied: &[Applied]) -> Option<String> {
    applied.iter().find(|it| it.is_foreign() && ESSENTIAL.contains(&it.kind)).map(Applied::conflict)
}

/// The first kind that the cluster lacks, or whose name is taken.
fn blocked(store: &ValidSpec<'_>, applied: &[Applied], kinds: &[ObjectKind]) -> Option<ConditionState> {
    kinds.iter().find_map(|kind| {
        if !store.facts.apis.has(*kind) {
            let kind = kind.as_str();
            let message = format!(
                "this cluster does not know the kind {kind}: the operator creates it once the API is installed"
            );
            return Some(ConditionState::no(Reason::DependencyApiMissing, message));
        }
        let foreign = applied.iter().find(|it| it.kind == *kind && it.is_foreign());
        foreign.map(|it| ConditionState::no(Reason::Conflict, it.conflict()))
    })
}

fn exposed(store: &ValidSpec<'_>, applied: &[Applied]) -> Option<ConditionState> {
    let kinds = exposure::enabled(store);
    let exposed = || ConditionState::yes(Reason::Exposed, "the Ingress, Route or HTTPRoute exists");
    (!kinds.is_empty()).then(|| blocked(store, applied, &kinds).unwrap_or_else(exposed))
}

fn monitored(store: &ValidSpec<'_>, applied: &[Applied]) -> Option<ConditionState> {
    let kinds = monitoring::enabled(store);
    let monitored = || ConditionState::yes(Reason::Monitored, "the objects for the Prometheus operator exist");
    (!kinds.is_empty()).then(|| blocked(store, applied, &kinds).unwrap_or_else(monitored))
}

fn degraded(
    conditions: &ConditionSet,
    applied: &[Applied],
    rollout: &Rollout,
    diagnosis: Option<&Diagnosis>,
) -> ConditionState {
    if let Some(foreign) = applied.iter().find(|it| it.is_foreign()) {
        return ConditionState::yes(Reason::Conflict, foreign.conflict());
    }
    if let Some((Reason::VolumeLost, message)) = conditions.unmet(ConditionType::StorageReady) {
        return ConditionState::yes(Reason::VolumeLost, message);
    }
    if let Some(diagnosis) = diagnosis {
        return ConditionState::yes(diagnosis.reason, diagnosis.message.clone());
    }
    if rollout.has_failed() {
        return ConditionState::yes(
            Reason::RolloutDeadlineExceeded,
            "servers were not replaced within 10 minutes: see their pods",
        );
    }
    let refused = applied.iter().find_map(|it| match &it.outcome {
        ApplyOutcome::VolumeRefused(why) => {
            Some(format!("the PersistentVolumeClaim {} keeps its size: {why}", it.name))
        }
        ApplyOutcome::Created | ApplyOutcome::Changed | ApplyOutcome::Unchanged | ApplyOutcome::Foreign => None,
    });
    refused.map_or_else(
        || ConditionState::no(Reason::Settled, "there are no problems"),
        |message| ConditionState::yes(Reason::VolumeNotResized, message),
    )
}

/// A cause goes before its consequences: a volume may be pending because no server can start.
fn ready(
    conditions: &ConditionSet,
    rollout: &Rollout,
    applied: &[Applied],
    diagnosis: Option<&Diagnosis>,
) -> ConditionState {
    if let Some(message) = blocking_conflict(applied) {
        return ConditionState::no(Reason::Conflict, message);
    }
    if let Some(diagnosis) = diagnosis {
        return ConditionState::no(diagnosis.reason, diagnosis.message.clone());
    }
    let needed = [ConditionType::SpecValid, ConditionType::StorageReady, ConditionType::DatabaseReady];
    if let Some((reason, message)) = needed.iter().find_map(|of| conditions.unmet(*of)) {
        return ConditionState::no(reason, message);
    }
    rollout.ready()
}

fn scheme(store: &ValidSpec<'_>) -> &'static str {
    if store.spec().http.tls.enabled { "https" } else { "http" }
}

fn service(store: &ValidSpec<'_>, port: i32) -> String {
    format!("{}.{}.svc:{port}", store.name, store.namespace)
}

fn endpoints(store: &ValidSpec<'_>) -> Endpoints {
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

/// The tag or digest of an image.
fn version(image: &str) -> String {
    let version = image.rsplit_once('@').or_else(|| image.rsplit_once(':'));
    version.filter(|(_, version)| !version.contains('/')).map_or("latest", |(_, version)| version).to_owned()
}

/// Returns whether the status was written: an unchanged status is not.
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
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false), // deleted meanwhile
        Err(error) => Err(Error::api("writing the status")(error)),
    }
}
