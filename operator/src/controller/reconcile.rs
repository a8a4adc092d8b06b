//! One reconciliation of one resource.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason, ZotArtifactStoreStatus};

use super::{Context, Guarded};
use crate::apply::{Applied, Outcome, apply, prune};
use crate::build::{self, build, dependencies};
use crate::error::Error;
use crate::events::Happened;
use crate::facts::Facts;
use crate::preflight;
use crate::status;
use crate::validate::{Refusal, Store, check_references, validate};

/// Annotation by which a user has the operator leave a store alone.
const PAUSE: (&str, &str) = ("artifact.zotregistry.io/reconcile", "paused");
/// Annotation by which a user asks what would change.
const DRY_RUN: (&str, &str) = ("artifact.zotregistry.io/dry-run", "true");

pub(super) async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let begun = Instant::now();
    let outcome = match &guarded.0 {
        Ok(store) => step(store, &context).await,
        Err(invalid) => undecodable(invalid, &context).await,
    };
    context.metrics.reconciliations.inc();
    context.metrics.duration.observe(begun.elapsed().as_secs_f64());
    if outcome.is_ok()
        && let Ok(mut failures) = context.failures.lock()
    {
        failures.remove(&ObjectRef::from_obj(&*guarded));
    }
    outcome
}

async fn step(store: &ZotArtifactStore, context: &Context) -> Result<Action, Error> {
    if store.metadata.deletion_timestamp.is_some() {
        // what was made for it goes with it
        return Ok(Action::await_change());
    }
    let has = |(name, value): (&str, &str)| store.annotations().get(name).is_some_and(|found| found == value);
    let apis = context.apis.borrow().clone();
    if has(PAUSE) {
        let deployment = deployment(store, context).await?;
        status::write(&context.client, store, &status::of_paused(store, deployment.as_ref())).await?;
        return Ok(Action::requeue(context.resync));
    }
    let facts = Facts::gather(&context.client, apis, &context.server_image, store).await?;
    let outcome = match make(store, &facts, context, has(DRY_RUN)).await {
        // what is in a namespace that goes, goes with it
        Err(error) if error.is_of_a_namespace_that_goes() => return Ok(Action::await_change()),
        Err(error) => {
            if let Some(refusal) = refused_by_the_api(&error, context.has_failed(store)) {
                status::write(&context.client, store, &status::of_refused(store, &facts, &refusal)).await?;
            }
            return Err(error);
        }
        Ok(outcome) => outcome,
    };
    match outcome {
        Ok(new) => {
            tell_rollout(store, &new, context).await;
            status::write(&context.client, store, &new).await?;
            Ok(Action::requeue(context.resync))
        }
        Err(refusal) => {
            context.metrics.refused(refusal.reason.as_str());
            let new = status::of_refused(store, &facts, &refusal);
            let waits = matches!(refusal.reason, Reason::DatabaseProvisioning | Reason::PreflightRunning);
            if status::write(&context.client, store, &new).await? && !waits {
                context.events.warn(store, &refusal).await;
            }
            Ok(Action::requeue(context.resync.min(preflight::AGAIN)))
        }
    }
}

/// What the API server will not have, however often it is tried: the user is told. One that has just started knows of no
/// roles yet, and forbids all once.
fn refused_by_the_api(error: &Error, again: bool) -> Option<Refusal> {
    let Error::Api { source, .. } = error else { return None };
    let kube::Error::Api(status) = &**source else { return None };
    let transient = matches!(status.code, 404 | 409 | 429) || status.code >= 500 || status.code == 403 && !again;
    (!transient).then(|| Refusal::new(ConditionType::Progressing, Reason::ApplyFailed, error.to_string()))
}

/// Makes what was asked for, or says why not.
async fn make(
    resource: &ZotArtifactStore,
    facts: &Facts,
    context: &Context,
    dry_run: bool,
) -> Result<Result<ZotArtifactStoreStatus, Refusal>, Error> {
    let store = match validate(resource, facts) {
        Ok(store) => store,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (client, namespace) = (&context.client, store.namespace.clone());
    let first = dependencies(&store);
    if !first.is_empty() && !dry_run {
        apply(client, &namespace, &first, false).await?;
    }
    if let Err(refusal) = check_references(&store) {
        return Ok(Err(refusal));
    }
    if !dry_run && let Some(refusal) = preflight::check(client, &store).await? {
        return Ok(Err(refusal));
    }
    let mut children = build(&store);
    let applied = apply(client, &namespace, &children, dry_run).await?;
    let uid = resource.uid().unwrap_or_default();
    if build::preflight::is_needed(&store) {
        // it stays, so that it is known what was tried
        children.extend(build::preflight::children(&store));
    }
    let pruned = prune(client, &facts.apis, (&namespace, &store.name, &uid), &children, dry_run).await?;
    if dry_run {
        return Ok(Ok(plan(&store, &applied, &pruned)));
    }
    let settled = is_settled(resource);
    context.events.tell_applied(resource, &applied, settled).await;
    for (kind, name) in pruned {
        let what = format!("{} {name}", kind.as_str());
        context.events.tell(resource, Happened::Pruned, &what.replace(' ', "/"), what.clone()).await;
    }
    let deployment = deployment(resource, context).await?;
    Ok(Ok(status::of_applied(&store, &applied, deployment.as_ref())))
}

/// Whether this very generation was made before, so that a difference is somebody else's doing.
fn is_settled(store: &ZotArtifactStore) -> bool {
    let Some(status) = &store.status else { return false };
    let of = |kind: ConditionType| status.conditions.iter().find(|condition| condition.type_ == kind.as_str());
    let ready = of(ConditionType::Ready)
        .is_some_and(|it| it.status == "True" && it.observed_generation == store.metadata.generation);
    ready && status.observed_generation == store.metadata.generation
}

/// What would change, and nothing else.
fn plan(store: &Store<'_>, applied: &[Applied], pruned: &[(crate::api::Kind, String)]) -> ZotArtifactStoreStatus {
    let mut status = store.resource.status.clone().unwrap_or_default();
    let would = |(kind, name, outcome): &Applied| {
        let verb = match outcome {
            Outcome::Created => "create",
            Outcome::Changed => "change",
            Outcome::Foreign => "leave alone, as it is not the operator's:",
            Outcome::Unchanged => return None,
        };
        Some(format!("{verb} {} {name}", kind.as_str()))
    };
    status.plan = applied.iter().filter_map(would).collect();
    status.plan.extend(pruned.iter().map(|(kind, name)| format!("remove {} {name}", kind.as_str())));
    if status.plan.is_empty() {
        status.plan.push("nothing would change".to_owned());
    }
    status
}

async fn deployment(store: &ZotArtifactStore, context: &Context) -> Result<Option<Deployment>, Error> {
    let api: Api<Deployment> = Api::namespaced(context.client.clone(), &store.namespace().unwrap_or_default());
    api.get_opt(&store.name_any()).await.map_err(Error::api("reading the Deployment"))
}

/// Rollouts that begin and end.
async fn tell_rollout(store: &ZotArtifactStore, new: &ZotArtifactStoreStatus, context: &Context) {
    let progressing = |status: Option<&ZotArtifactStoreStatus>| {
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions.iter().any(|it| it.type_ == ConditionType::Progressing.as_str() && it.status == "True")
    };
    let image = new.image.clone().unwrap_or_default();
    match (progressing(store.status.as_ref()), progressing(Some(new))) {
        (false, true) => {
            context
                .events
                .tell(store, Happened::RolloutStarted, "Rollout", "servers are being replaced".to_owned())
                .await;
        }
        (true, false) => {
            context.events.tell(store, Happened::RolloutCompleted, "Rollout", format!("servers run {image}")).await;
        }
        _ => {}
    }
}

/// A resource that was stored under another definition and cannot be read: it is told so, and hinders no other one.
async fn undecodable(invalid: &kube::core::error_boundary::InvalidObject, context: &Context) -> Result<Action, Error> {
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    context.metrics.refused(Reason::InvalidSpec.as_str());
    let resource = kube::discovery::ApiResource::erase::<ZotArtifactStore>(&());
    let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), &namespace, &resource);
    let doing = format!("telling {namespace}/{name} that it cannot be read");
    let found = api.get_opt(&name).await.map_err(Error::api(doing.clone()))?;
    let message = format!("the resource cannot be read: {}", invalid.error);
    let conditions = found.map(|found| found.data["status"]["conditions"].clone()).unwrap_or_default();
    let told = |it: &Value| it["type"] == "Ready" && it["message"] == message.as_str() && it["status"] == "False";
    if !conditions.as_array().is_some_and(|conditions| conditions.iter().any(told)) {
        let condition = |kind: ConditionType| {
            json!({
                "type": kind.as_str(), "status": "False", "reason": Reason::InvalidSpec.as_str(), "message": message,
                "lastTransitionTime": jiff::Timestamp::now().to_string(),
                "observedGeneration": invalid.metadata.generation,
            })
        };
        let status = json!({ "status": {
            "phase": "Failed",
            "observedGeneration": invalid.metadata.generation,
            "conditions": [condition(ConditionType::Ready), condition(ConditionType::SpecValid)],
        } });
        let patched = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await;
        patched.map_err(Error::api(doing))?;
    }
    // nothing changes until somebody edits it
    Ok(Action::await_change())
}
