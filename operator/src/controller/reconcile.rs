//! One reconciliation of one resource.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason, ZotArtifactStoreStatus};

use super::{Guarded, OperatorContext, report};
use crate::apply::{self, Applied, ApplyOutcome, apply, prune};
use crate::build::servers::CONFIG_HASH;
use crate::build::{self, Child, build, dependencies};
use crate::error::{Error, StoreRefusal, is_namespace_terminating};
use crate::events::EventReason;
use crate::facts::{self, Facts};
use crate::kinds::ObjectKind;
use crate::validate::{ValidSpec, check_names, check_references, check_retained, validate};
use crate::{ambient, diagnostics, preflight, status};

const LONGEST: Duration = Duration::from_mins(1);
/// Interval of reconciliations while a store is not ready: pods cause none.
const RECHECK: Duration = Duration::from_secs(10);

/// Annotation, and its value, that pauses reconciliation of a store.
const PAUSE: (&str, &str) = ("artifact.zotregistry.io/reconcile", "paused");
/// Annotation, and its value, that requests a plan instead of changes.
const DRY_RUN: (&str, &str) = ("artifact.zotregistry.io/dry-run", "true");

pub(super) async fn reconcile(guarded: Arc<Guarded>, context: Arc<OperatorContext>) -> Result<Action, Error> {
    let begun = Instant::now();
    let work = async {
        match &guarded.0 {
            Ok(store) => Box::pin(step(store, &context)).await,
            Err(invalid) => undecodable(invalid, &context).await,
        }
    };
    // a request that hangs must not block other stores
    let outcome = tokio::time::timeout(LONGEST, Box::pin(work)).await.unwrap_or(Err(Error::TooLong(LONGEST)));
    context.metrics.reconciliations.inc();
    context.metrics.duration.observe(begun.elapsed().as_secs_f64());
    if outcome.is_ok()
        && let Ok(mut failures) = context.failures.lock()
    {
        failures.remove(&guarded.uid().unwrap_or_default());
    }
    outcome
}

async fn step(store: &ZotArtifactStore, context: &OperatorContext) -> Result<Action, Error> {
    if store.metadata.deletion_timestamp.is_some() {
        // Kubernetes deletes the owned objects
        return Ok(Action::await_change());
    }
    let deployment = facts::deployment(&context.client, store).await?;
    match update(store, context, deployment.clone()).await {
        Ok(action) => Ok(action),
        Err(Error::Refused(refusal)) => report::refusal(store, deployment.as_ref(), refusal, context).await,
        // the store is deleted with its namespace
        Err(Error::Api { source, .. }) if is_namespace_terminating(&source) => Ok(Action::await_change()),
        Err(error) => {
            if let Some(refusal) = report::api_refusal(&error, context.failures(store)) {
                report::refusal(store, deployment.as_ref(), refusal, context).await?;
            }
            Err(error)
        }
    }
}

async fn update(
    store: &ZotArtifactStore,
    context: &OperatorContext,
    deployment: Option<Deployment>,
) -> Result<Action, Error> {
    check_names(store)?;
    check_annotations(store)?;
    let has = |(name, value): (&str, &str)| store.annotations().get(name).is_some_and(|found| found == value);
    if has(PAUSE) {
        let message = "the annotation artifact.zotregistry.io/reconcile: paused is set; remove it to continue";
        let paused = status::of_paused(store, deployment.as_ref(), Reason::PausedByUser, message);
        status::write(&context.client, store, &paused).await?;
        return Ok(Action::requeue(context.resync));
    }
    let new = Box::pin(run_steps(store, context, deployment, has(DRY_RUN))).await?;
    report::rollout(store, &new, context).await;
    report::degraded(store, &new, context).await;
    status::write(&context.client, store, &new).await?;
    let ready = status::reason(Some(&new), ConditionType::Ready, "True").is_some();
    Ok(Action::requeue(if ready { context.resync } else { context.resync.min(RECHECK) }))
}

/// Refuses unknown values of the operator's annotations: whoever wrote `pause` wants the store to be paused.
fn check_annotations(store: &ZotArtifactStore) -> Result<(), StoreRefusal> {
    for (name, on) in [PAUSE, DRY_RUN] {
        let Some(found) = store.annotations().get(name) else { continue };
        if ![on, "false", ""].contains(&found.as_str()) {
            let message = format!(
                "the annotation {name} has the unknown value {found:?}: set it to {on:?}, or remove it. The operator changes nothing \
                 meanwhile"
            );
            return Err(StoreRefusal::new(ConditionType::SpecValid, Reason::InvalidSpec, message));
        }
    }
    Ok(())
}

/// # Errors
/// [`Error::Refused`] if the user has to act or to wait.
async fn run_steps(
    resource: &ZotArtifactStore,
    context: &OperatorContext,
    deployment: Option<Deployment>,
    dry_run: bool,
) -> Result<ZotArtifactStoreStatus, Error> {
    let apis = context.apis.borrow().clone();
    let facts = Facts::gather(&context.client, apis, &context.server_image, resource, deployment).await?;
    let store = validate(resource, &facts)?;
    let (client, namespace) = (&context.client, store.namespace.clone());
    check_retained(&store)?;
    let mut applied = apply(client, &namespace, &dependencies(&store), dry_run).await?;
    if !dry_run {
        check_conflicts(&applied)?;
    }
    check_references(&store)?;
    if !dry_run {
        preflight::check(client, &store).await?;
    }
    let mut children = build(&store);
    // no server may start with somebody else's Secret or volume
    let (first, rest): (Vec<Child>, Vec<Child>) =
        children.iter().cloned().partition(|it| it.kind < ObjectKind::Deployment);
    applied.extend(apply(client, &namespace, &first, dry_run).await?);
    if !dry_run {
        check_conflicts(&applied)?;
    }
    applied.extend(apply(client, &namespace, &rest, dry_run).await?);
    if build::preflight::is_needed(&store) {
        // the Job is kept: it records which preflight passed
        children.extend(build::preflight::children(&store));
    }
    let pruned = prune(client, &store, &children, dry_run).await?;
    if dry_run {
        return Ok(plan(&store, &applied, &pruned));
    }
    context.events.applied(resource, &applied, is_settled(resource, &facts, &children)).await;
    for (kind, name) in pruned {
        context.events.object(resource, EventReason::Pruned, format!("{} {name}", kind.as_str())).await;
    }
    let deployment = apply::deployment(&applied)?;
    let diagnosis = if status::all_available(deployment.as_ref()) {
        None
    } else {
        diagnostics::diagnose(client, &namespace, &store.name, deployment.as_ref()).await?
    };
    Ok(status::of_applied(&store, &applied, deployment.as_ref(), diagnosis.as_ref()))
}

fn check_conflicts(applied: &[Applied]) -> Result<(), StoreRefusal> {
    status::blocking_conflict(applied)
        .map_or(Ok(()), |message| Err(StoreRefusal::new(ConditionType::Degraded, Reason::Conflict, message)))
}

/// Whether the same generation was applied before, with the same Secrets. If so, somebody else has changed the objects.
fn is_settled(resource: &ZotArtifactStore, facts: &Facts, children: &[Child]) -> bool {
    let Some(status) = &resource.status else { return false };
    let ready = status.conditions.iter().find(|it| it.type_ == ConditionType::Ready.as_str());
    let ready = ready.is_some_and(|it| it.status == "True" && it.observed_generation == resource.metadata.generation);
    let same = facts.deployment.as_ref().is_none_or(|deployment| {
        let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let found = template.and_then(|metadata| metadata.annotations.as_ref()?.get(CONFIG_HASH));
        let built = children.iter().find(|child| child.kind == ObjectKind::Deployment);
        let built = built.map(|child| &child.document["spec"]["template"]["metadata"]["annotations"][CONFIG_HASH]);
        found.map(String::as_str) == built.and_then(Value::as_str)
    });
    ready && same && status.observed_generation == resource.metadata.generation
}

/// The status with a plan of changes.
fn plan(store: &ValidSpec<'_>, applied: &[Applied], pruned: &[(ObjectKind, String)]) -> ZotArtifactStoreStatus {
    let message = "the annotation artifact.zotregistry.io/dry-run: true is set: status.plan lists what would change";
    let mut status = status::of_paused(store.resource, store.facts.deployment.as_ref(), Reason::DryRun, message);
    let would = |child: &Applied| {
        let verb = match child.outcome {
            ApplyOutcome::Created => "create",
            ApplyOutcome::Changed => "change",
            ApplyOutcome::Foreign => "skip, because it does not belong to this store:",
            ApplyOutcome::Unchanged | ApplyOutcome::VolumeRefused(_) => return None,
        };
        Some(format!("{verb} {}", child.object()))
    };
    status.plan = applied.iter().filter_map(would).collect();
    status.plan.extend(pruned.iter().map(|(kind, name)| format!("remove {} {name}", kind.as_str())));
    if status.plan.is_empty() {
        status.plan.push("nothing would change".to_owned());
    }
    status
}

/// Reports a resource that was stored under another definition and cannot be decoded.
async fn undecodable(
    invalid: &kube::core::error_boundary::InvalidObject,
    context: &OperatorContext,
) -> Result<Action, Error> {
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    context.metrics.refused(Reason::InvalidSpec.as_str());
    let resource = kube::discovery::ApiResource::erase::<ZotArtifactStore>(&());
    let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), &namespace, &resource);
    let doing = format!("reporting that {namespace}/{name} cannot be decoded");
    let found = api.get_opt(&name).await.map_err(Error::api(doing.clone()))?;
    let message = format!("the resource cannot be decoded: {}", invalid.error);
    let conditions = found.map(|found| found.data["status"]["conditions"].clone()).unwrap_or_default();
    let same = |it: &Value| it["type"] == "Ready" && it["message"] == message.as_str() && it["status"] == "False";
    if !conditions.as_array().is_some_and(|conditions| conditions.iter().any(same)) {
        let condition = |kind: ConditionType| {
            json!({
                "type": kind.as_str(), "status": "False", "reason": Reason::InvalidSpec.as_str(), "message": message,
                "lastTransitionTime": ambient::now().to_string(),
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
    // the user has to edit the resource
    Ok(Action::await_change())
}
