//! Reports a reconciliation to the user: refusals in the status, and events.

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::controller::Action;
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason, ZotArtifactStoreStatus};

use super::OperatorContext;
use crate::error::{Error, StoreRefusal};
use crate::events::EventReason;
use crate::{preflight, status};

/// Consecutive failures after which they are reported.
const FAILURES_REPORTED: u32 = 3;

/// The results of a preflight.
const PREFLIGHT_RESULTS: [Reason; 12] = [
    Reason::StorageUnreachable,
    Reason::BucketNotFound,
    Reason::StorageAccessDenied,
    Reason::DatabaseUnreachable,
    Reason::DatabaseNotFound,
    Reason::DatabaseAuthFailed,
    Reason::PreflightFailed,
    Reason::ImagePullFailed,
    Reason::PodUnschedulable,
    Reason::PodRefused,
    Reason::PodNotStarted,
    Reason::ReplicasUnavailable,
];

pub(super) async fn refusal(
    store: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    refusal: StoreRefusal,
    context: &OperatorContext,
) -> Result<Action, Error> {
    context.metrics.refused(refusal.reason.as_str());
    let next = Action::requeue(context.resync.min(preflight::RETRY));
    if refusal.reason == Reason::PreflightRunning && has_preflight_result(store) {
        return Ok(next);
    }
    let new = status::of_refused(store, deployment, &refusal);
    let waits = matches!(refusal.reason, Reason::DatabaseProvisioning | Reason::PreflightRunning);
    if status::write(&context.client, store, &new).await? && !waits {
        let (reason, action) = (refusal.reason.as_str(), refusal.condition.as_str());
        context.events.warning(store, reason, action, refusal.message).await;
    }
    Ok(next)
}

/// Whether the status has a preflight's result: it stays until the next preflight has one.
fn has_preflight_result(store: &ZotArtifactStore) -> bool {
    let status = store.status.as_ref().filter(|status| status.observed_generation == store.metadata.generation);
    let known = status::reason(status, ConditionType::Ready, "False");
    known.is_some_and(|known| PREFLIGHT_RESULTS.iter().any(|reason| reason.as_str() == known))
}

/// An error that is reported to the user. An invalid object is reported at once. Any other response of the API server is
/// reported when it is repeated: an API server that has just started forbids everything until it has read the roles.
pub(super) fn api_refusal(error: &Error, failures: u32) -> Option<StoreRefusal> {
    let Error::Api { doing, source } = error else { return None };
    let kube::Error::Api(status) = &**source else { return None };
    let invalid = matches!(status.code, 400 | 422);
    (invalid || failures >= FAILURES_REPORTED).then(|| {
        let message = format!("{doing}: {}", status.message);
        StoreRefusal::new(ConditionType::Progressing, Reason::ApplyFailed, message)
    })
}

/// Events when a rollout starts or ends.
pub(super) async fn rollout(store: &ZotArtifactStore, new: &ZotArtifactStoreStatus, context: &OperatorContext) {
    let progressing = |status| status::reason(status, ConditionType::Progressing, "True").is_some();
    let done = status::reason(Some(new), ConditionType::Progressing, "False") == Some(Reason::Settled.as_str());
    let (reason, note) = match (progressing(store.status.as_ref()), progressing(Some(new))) {
        (false, true) => (EventReason::RolloutStarted, "servers are being started or replaced".to_owned()),
        (true, false) if done => {
            (EventReason::RolloutCompleted, format!("all servers run {}", new.image.as_deref().unwrap_or_default()))
        }
        _ => return,
    };
    context.events.normal(store, reason, "Rollout", note).await;
}

/// A warning when `Degraded` becomes true, or changes its reason.
pub(super) async fn degraded(store: &ZotArtifactStore, new: &ZotArtifactStoreStatus, context: &OperatorContext) {
    let degraded = |status| status::reason(status, ConditionType::Degraded, "True");
    let before = degraded(store.status.as_ref());
    let Some(reason) = degraded(Some(new)).filter(|reason| before != Some(*reason)) else { return };
    let condition = new.conditions.iter().find(|it| it.type_ == ConditionType::Degraded.as_str());
    let message = condition.map(|condition| condition.message.clone()).unwrap_or_default();
    context.events.warning(store, reason, ConditionType::Degraded.as_str(), message).await;
}
