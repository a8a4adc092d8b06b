//! One reconciliation of one resource.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason, ZotArtifactStoreStatus};

use super::{Context, Guarded, told};
use crate::api::Kind;
use crate::apply::{Applied, Outcome, apply, prune};
use crate::build::servers::CONFIG_HASH;
use crate::build::{self, Child, build, dependencies};
use crate::error::Error;
use crate::events::Happened;
use crate::facts::{self, Facts};
use crate::validate::{Refusal, Store, check_kept, check_names, check_references, validate};
use crate::{preflight, status, troubles};

/// How long one may take.
const LONGEST: Duration = Duration::from_mins(1);
/// When a store that is not ready is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Annotation by which a user has the operator leave a store alone.
const PAUSE: (&str, &str) = ("artifact.zotregistry.io/reconcile", "paused");
/// Annotation by which a user asks what would change.
const DRY_RUN: (&str, &str) = ("artifact.zotregistry.io/dry-run", "true");

pub(super) async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let begun = Instant::now();
    let work = async {
        match &guarded.0 {
            Ok(store) => Box::pin(step(store, &context)).await,
            Err(invalid) => undecodable(invalid, &context).await,
        }
    };
    // whatever hangs, another one is to have its turn
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

async fn step(store: &ZotArtifactStore, context: &Context) -> Result<Action, Error> {
    if store.metadata.deletion_timestamp.is_some() {
        // what was made for it goes with it
        return Ok(Action::await_change());
    }
    let has = |(name, value): (&str, &str)| store.annotations().get(name).is_some_and(|found| found == value);
    // what is no name must not get into an address; and whoever wrote an annotation wanted something to be left alone
    if let Some(refusal) = check_names(store).err().or_else(|| misspelt(store)) {
        let deployment = facts::deployment(&context.client, store).await?;
        return told::refuse(store, deployment.as_ref(), refusal, context).await;
    }
    if has(PAUSE) {
        let deployment = facts::deployment(&context.client, store).await?;
        let message = "the annotation artifact.zotregistry.io/reconcile: paused is set; remove it to go on";
        let paused = status::of_paused(store, deployment.as_ref(), Reason::PausedByUser, message);
        status::write(&context.client, store, &paused).await?;
        return Ok(Action::requeue(context.resync));
    }
    match make(store, context, has(DRY_RUN)).await {
        Ok(Ok(new)) => {
            told::tell_rollout(store, &new, context).await;
            told::tell_degraded(store, &new, context).await;
            status::write(&context.client, store, &new).await?;
            // nobody tells of what becomes of pods
            let ready = status::reason(Some(&new), ConditionType::Ready, "True").is_some();
            Ok(Action::requeue(if ready { context.resync } else { context.resync.min(LOOK_AGAIN) }))
        }
        Ok(Err(refusal)) => {
            let deployment = facts::deployment(&context.client, store).await?;
            told::refuse(store, deployment.as_ref(), refusal, context).await
        }
        // what is in a namespace that goes, goes with it
        Err(error) if error.is_of_a_namespace_that_goes() => Ok(Action::await_change()),
        Err(error) => {
            if let Some(refusal) = told::refused_by_the_api(&error, context.failures(store)) {
                let deployment = facts::deployment(&context.client, store).await?;
                told::refuse(store, deployment.as_ref(), refusal, context).await?;
            }
            Err(error)
        }
    }
}

/// An annotation of ours with a value that means nothing.
fn misspelt(store: &ZotArtifactStore) -> Option<Refusal> {
    let (name, found, known) = [PAUSE, DRY_RUN].into_iter().find_map(|(name, on)| {
        let found = store.annotations().get(name)?;
        (![on, "false", ""].contains(&found.as_str())).then_some((name, found, on))
    })?;
    let message = format!(
        "the annotation {name} is {found:?}, which means nothing: set it to {known:?}, or remove it. Nothing is changed meanwhile"
    );
    Some(Refusal::new(ConditionType::SpecValid, Reason::InvalidSpec, message))
}

/// Makes what was asked for, or says why not.
async fn make(
    resource: &ZotArtifactStore,
    context: &Context,
    dry_run: bool,
) -> Result<Result<ZotArtifactStoreStatus, Refusal>, Error> {
    let apis = context.apis.borrow().clone();
    let facts = Facts::gather(&context.client, apis, &context.server_image, resource).await?;
    let store = match validate(resource, &facts) {
        Ok(store) => store,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (client, namespace) = (&context.client, store.namespace.clone());
    if let Err(refusal) = check_kept(&store) {
        return Ok(Err(refusal));
    }
    let conflict = |message| Ok(Err(Refusal::new(ConditionType::Degraded, Reason::Conflict, message)));
    let mut applied = apply(client, &namespace, &dependencies(&store), dry_run).await?;
    if let Some(message) = status::foreign(&applied).filter(|_| !dry_run) {
        return conflict(message);
    }
    if let Err(refusal) = check_references(&store) {
        return Ok(Err(refusal));
    }
    if !dry_run && let Some(refusal) = preflight::check(client, &store).await? {
        return Ok(Err(refusal));
    }
    let mut children = build(&store);
    // no server is started on what is somebody else's
    let (needed, rest): (Vec<Child>, Vec<Child>) = children.iter().cloned().partition(|it| it.kind < Kind::Deployment);
    applied.extend(apply(client, &namespace, &needed, dry_run).await?);
    if let Some(message) = status::foreign(&applied).filter(|_| !dry_run) {
        return conflict(message);
    }
    applied.extend(apply(client, &namespace, &rest, dry_run).await?);
    if build::preflight::is_needed(&store) {
        // it stays, so that it is known what was tried
        children.extend(build::preflight::children(&store));
    }
    let pruned = prune(client, &store, &children, dry_run).await?;
    if dry_run {
        return Ok(Ok(plan(&store, &applied, &pruned)));
    }
    let settled = is_settled(resource, &facts, &children);
    context.events.tell_applied(resource, &applied, settled).await;
    for (kind, name) in pruned {
        let what = format!("{} {name}", kind.as_str());
        context.events.tell(resource, Happened::Pruned, &what.replace(' ', "/"), what.clone()).await;
    }
    let deployment = facts::deployment(&context.client, resource).await?;
    let trouble = if status::all_serve(deployment.as_ref()) {
        None
    } else {
        troubles::look(client, &namespace, &store.name, deployment.as_ref()).await?
    };
    Ok(Ok(status::of_applied(&store, &applied, deployment.as_ref(), trouble.as_ref())))
}

/// Whether this very generation was made before, of the same Secrets, so that a difference is somebody else's doing.
fn is_settled(resource: &ZotArtifactStore, facts: &Facts, children: &[Child]) -> bool {
    let Some(status) = &resource.status else { return false };
    let of = |kind: ConditionType| status.conditions.iter().find(|condition| condition.type_ == kind.as_str());
    let ready = of(ConditionType::Ready)
        .is_some_and(|it| it.status == "True" && it.observed_generation == resource.metadata.generation);
    let same = facts.deployment.as_ref().is_none_or(|deployment| {
        let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let found = template.and_then(|metadata| metadata.annotations.as_ref()?.get(CONFIG_HASH));
        let asked = children.iter().find(|child| child.kind == Kind::Deployment);
        let asked = asked.map(|child| &child.document["spec"]["template"]["metadata"]["annotations"][CONFIG_HASH]);
        found.map(String::as_str) == asked.and_then(Value::as_str)
    });
    ready && same && status.observed_generation == resource.metadata.generation
}

/// What would change, and nothing else.
fn plan(store: &Store<'_>, applied: &[Applied], pruned: &[(Kind, String)]) -> ZotArtifactStoreStatus {
    let message = "the annotation artifact.zotregistry.io/dry-run: true is set: what would change is in status.plan";
    let mut status = status::of_paused(store.resource, store.facts.deployment.as_ref(), Reason::DryRun, message);
    let would = |(kind, name, outcome): &Applied| {
        let verb = match outcome {
            Outcome::Created => "create",
            Outcome::Changed => "change",
            Outcome::Foreign => "leave alone, as it is not the operator's:",
            Outcome::Unchanged | Outcome::Kept(_) => return None,
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
