//! What came of trying bucket and database: see [`crate::build::preflight`].

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use zot_crds::status::{ConditionType, Reason};

use crate::apply::{Outcome, apply};
use crate::build::INSTANCE;
use crate::build::preflight::{COMPONENT, children, is_needed, name};
use crate::error::Error;
use crate::troubles::{self, Trouble, away_since};
use crate::validate::{Refusal, Store};

/// After that a failed one is tried again.
pub(crate) const AGAIN: Duration = Duration::from_secs(20);

/// Tries it, or looks what came of it; `Ok(None)`: all can be used.
///
/// What could be used once is tried again when no server takes requests any more: then it is known which of the two it is.
pub(crate) async fn check(client: &Client, store: &Store<'_>) -> Result<Option<Refusal>, Error> {
    if !is_needed(store) {
        return Ok(None);
    }
    let (jobs, name) = (Api::<Job>::namespaced(client.clone(), &store.namespace), name(store));
    let running =
        || Refusal::new(ConditionType::StorageReady, Reason::PreflightRunning, format!("Job {name} tries it"));
    let Some(job) = jobs.get_opt(&name).await.map_err(Error::api("reading the preflight"))? else {
        remove_others(&jobs, store, &name).await?;
        let applied = apply(client, &store.namespace, &children(store), false).await?;
        let foreign = applied.iter().find(|(_, _, outcome)| *outcome == Outcome::Foreign);
        return Ok(Some(foreign.map_or_else(running, |(kind, name, _)| conflict(kind.as_str(), name))));
    };
    // what somebody else's has found is nothing
    if !is_of(&job, store) {
        return Ok(Some(conflict("Job", &name)));
    }
    let status = job.status.unwrap_or_default();
    if status.succeeded.unwrap_or(0) > 0 {
        let away = away_since(store.facts.deployment.as_ref(), Timestamp::now());
        let tried = status.completion_time.map(|time| time.0);
        if away.zip(tried).is_some_and(|(away, tried)| tried < away) {
            remove(&jobs, &job.metadata).await?;
        }
        return Ok(None);
    }
    let failed = status.conditions.iter().flatten().find(|it| it.type_ == "Failed" && it.status == "True");
    let pods = pods(client, &store.namespace, &name).await?;
    let Some(failed) = failed else {
        let trouble = troubles::of(None, &pods, Timestamp::now());
        let told = |it: Trouble| Refusal::new(ConditionType::StorageReady, it.reason, it.message);
        // one that has ended is no trouble: it was to
        let trouble = trouble.filter(|trouble| trouble.reason != Reason::ServerCrashes);
        return Ok(Some(trouble.map_or_else(running, told)));
    };
    let said = said(pods);
    let since = failed.last_transition_time.as_ref().map(|time| Timestamp::now().duration_since(time.0));
    if since.is_none_or(|since| since.unsigned_abs() > AGAIN) {
        remove(&jobs, &job.metadata).await?;
    }
    Ok(Some(said.as_ref().and_then(refusal).unwrap_or_else(|| {
        let message = format!("it could not be tried: see the pods of Job {name}");
        Refusal::new(ConditionType::StorageReady, Reason::PreflightFailed, message)
    })))
}

fn is_of(job: &Job, store: &Store<'_>) -> bool {
    job.owner_references().iter().any(|owner| owner.uid == store.owner.uid)
}

fn conflict(kind: &str, name: &str) -> Refusal {
    let message = format!("there is a {kind} {name} that is not the operator's: rename or remove it");
    Refusal::new(ConditionType::StorageReady, Reason::Conflict, message)
}

/// Those that tried what is not asked for any more: otherwise each wrong value would leave one.
async fn remove_others(jobs: &Api<Job>, store: &Store<'_>, but: &str) -> Result<(), Error> {
    let (component, preflight) = COMPONENT;
    let listed = ListParams::default().labels(&format!("{INSTANCE}={},{component}={preflight}", store.name));
    for job in jobs.list(&listed).await.map_err(Error::api("listing preflights"))? {
        if is_of(&job, store) && job.name_any() != but {
            remove(jobs, &job.metadata).await?;
        }
    }
    Ok(())
}

/// So that the next look makes it anew.
async fn remove(jobs: &Api<Job>, job: &ObjectMeta) -> Result<(), Error> {
    let preconditions = Preconditions { uid: job.uid.clone(), ..Preconditions::default() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match jobs.delete(job.name.as_deref().unwrap_or_default(), &parameters).await {
        Ok(_) => Ok(()),
        // gone, or another one by now
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(Error::api("removing the preflight")(error)),
    }
}

async fn pods(client: &Client, namespace: &str, job: &str) -> Result<Vec<Pod>, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    Ok(pods.list(&of_job).await.map_err(Error::api("reading the preflight's pods"))?.items)
}

/// What the command left as its last words.
fn said(pods: Vec<Pod>) -> Option<Value> {
    let statuses = pods.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
    let mut messages = statuses.filter_map(|status| status.state?.terminated?.message);
    messages.find_map(|message| serde_json::from_str(&message).ok())
}

fn refusal(said: &Value) -> Option<Refusal> {
    let parts = [("database", ConditionType::DatabaseReady), ("storage", ConditionType::StorageReady)];
    parts.iter().find_map(|(part, condition)| {
        let part = &said[*part];
        if part["ok"] != false {
            return None;
        }
        let reason = Reason::ALL.iter().copied().find(|reason| part["reason"] == reason.as_str())?;
        Some(Refusal::new(*condition, reason, part["message"].as_str().unwrap_or_default()))
    })
}
