//! What a user is told of a reconciliation, but for the status itself: events, and refusals.

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::controller::Action;
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason, ZotArtifactStoreStatus};

use super::Context;
use crate::error::Error;
use crate::events::Happened;
use crate::validate::Refusal;
use crate::{preflight, status};

/// Failures in a row after which they are told.
const FAILURES_TOLD: u32 = 3;

/// What a preflight can find.
const FOUND: [Reason; 12] = [
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

/// Tells that nothing can be made yet, and why.
pub(super) async fn refuse(
    store: &ZotArtifactStore,
    deployment: Option<&Deployment>,
    refusal: Refusal,
    context: &Context,
) -> Result<Action, Error> {
    context.metrics.refused(refusal.reason.as_str());
    let next = Action::requeue(context.resync.min(preflight::AGAIN));
    if refusal.reason == Reason::PreflightRunning && is_tried_again(store) {
        return Ok(next);
    }
    let new = status::of_refused(store, deployment, &refusal);
    let waits = matches!(refusal.reason, Reason::DatabaseProvisioning | Reason::PreflightRunning);
    if status::write(&context.client, store, &new).await? && !waits {
        let (reason, action) = (refusal.reason.as_str(), refusal.condition.as_str());
        context.events.warn(store, reason, action, refusal.message).await;
    }
    Ok(next)
}

/// Whether it is known already what could not be used, or tried: that stands until it is known to be otherwise.
fn is_tried_again(store: &ZotArtifactStore) -> bool {
    let status = store.status.as_ref().filter(|status| status.observed_generation == store.metadata.generation);
    let known = status::reason(status, ConditionType::Ready, "False");
    known.is_some_and(|known| FOUND.iter().any(|reason| reason.as_str() == known))
}

/// What the API server will not have, however often it is tried: the user is told. At once where it says that it is wrong;
/// else when it goes on: one that has just started knows of no roles yet, and forbids all once.
pub(super) fn refused_by_the_api(error: &Error, failures: u32) -> Option<Refusal> {
    let Error::Api { doing, source } = error else { return None };
    let kube::Error::Api(status) = &**source else { return None };
    let wrong = matches!(status.code, 400 | 422);
    (wrong || failures >= FAILURES_TOLD).then(|| {
        let message = format!("{doing}: {}", status.message);
        Refusal::new(ConditionType::Progressing, Reason::ApplyFailed, message)
    })
}

/// Rollouts that begin and end.
pub(super) async fn tell_rollout(store: &ZotArtifactStore, new: &ZotArtifactStoreStatus, context: &Context) {
    let progressing = |status| status::reason(status, ConditionType::Progressing, "True").is_some();
    let done = status::reason(Some(new), ConditionType::Progressing, "False") == Some(Reason::Settled.as_str());
    let (happened, note) = match (progressing(store.status.as_ref()), progressing(Some(new))) {
        (false, true) => (Happened::RolloutStarted, "servers are being started or replaced".to_owned()),
        (true, false) if done => {
            (Happened::RolloutCompleted, format!("servers run {}", new.image.as_deref().unwrap_or_default()))
        }
        _ => return,
    };
    context.events.tell(store, happened, "Rollout", note).await;
}

/// Somebody is called when it turns bad, or worse in another way.
pub(super) async fn tell_degraded(store: &ZotArtifactStore, new: &ZotArtifactStoreStatus, context: &Context) {
    let degraded = |status| status::reason(status, ConditionType::Degraded, "True");
    let before = degraded(store.status.as_ref());
    let Some(reason) = degraded(Some(new)).filter(|reason| before != Some(*reason)) else { return };
    let condition = new.conditions.iter().find(|it| it.type_ == ConditionType::Degraded.as_str());
    let message = condition.map(|condition| condition.message.clone()).unwrap_or_default();
    context.events.warn(store, reason, ConditionType::Degraded.as_str(), message).await;
}
