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

use crate::api::Kind;
use crate::apply::{Outcome, apply};
use crate::build::preflight::{COMPONENT, CONTAINER, TRIED, children, is_needed, name};
use crate::build::{INSTANCE, MANAGED_BY, OPERATOR};
use crate::error::Error;
use crate::status::in_the_way;
use crate::troubles::{self, PATIENCE, Trouble, away_since, lasted};
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
    let now = Timestamp::now();
    let deployment = store.facts.deployment.as_ref();
    let away = away_since(deployment, now);
    // servers that were started after it and take requests show more than it could
    let tried_before = deployment.is_some_and(|it| it.annotations().get(TRIED) == Some(&name));
    if tried_before && away.is_none() {
        return Ok(None);
    }
    let running =
        || Refusal::new(ConditionType::StorageReady, Reason::PreflightRunning, format!("Job {name} tries it"));
    let Some(job) = jobs.get_opt(&name).await.map_err(Error::api("reading the preflight"))? else {
        remove_others(&jobs, store, &name).await?;
        let applied = apply(client, &store.namespace, &children(store), false).await?;
        let foreign = applied.iter().find(|(_, _, outcome)| *outcome == Outcome::Foreign);
        return Ok(Some(foreign.map_or_else(running, |(kind, name, _)| conflict(*kind, name))));
    };
    if !is_of(&job, store) {
        if !is_ours(&job) {
            // what somebody else's has found is nothing
            return Ok(Some(conflict(Kind::Job, &name)));
        }
        // of a store of this name that is gone
        remove(&jobs, &job.metadata).await?;
        return Ok(Some(running()));
    }
    let pods = pods(client, &store.namespace, &name).await?;
    match tried(&job, &pods, now) {
        Tried::Well(when) => {
            if away.zip(when).is_some_and(|(away, when)| when < away) {
                remove(&jobs, &job.metadata).await?;
            }
            Ok(None)
        }
        Tried::Badly { found, since } => {
            if since.is_none_or(|since| lasted(since, now) > AGAIN) {
                remove(&jobs, &job.metadata).await?;
            }
            Ok(Some(found.unwrap_or_else(|| {
                let message = format!("it could not be tried: see the events of Job {name}");
                Refusal::new(ConditionType::StorageReady, Reason::PreflightFailed, message)
            })))
        }
        Tried::TooLate => {
            // why is known from when it ran, and stands
            remove(&jobs, &job.metadata).await?;
            Ok(Some(running()))
        }
        Tried::NotYet(trouble) => Ok(Some(trouble.map_or_else(running, |it| {
            let message = format!("bucket and database cannot be tried: {}", it.message);
            Refusal::new(ConditionType::Degraded, it.reason, message)
        }))),
    }
}

/// What came of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// All can be used; when that was.
    Well(Option<Timestamp>),
    /// Something cannot, or it could not be tried.
    Badly { found: Option<Refusal>, since: Option<Timestamp> },
    /// It did not end in time.
    TooLate,
    /// It has not ended; what keeps it from it.
    NotYet(Option<Trouble>),
}

/// The container's end counts, not the Job's: others that the cluster puts into each pod may go on for ever.
pub(crate) fn tried(job: &Job, pods: &[Pod], now: Timestamp) -> Tried {
    let status = job.status.clone().unwrap_or_default();
    if status.succeeded.unwrap_or(0) > 0 {
        return Tried::Well(status.completion_time.map(|time| time.0));
    }
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
    let mut ends = statuses.filter(|it| it.name == CONTAINER).filter_map(|it| it.state.as_ref()?.terminated.as_ref());
    if let Some(end) = ends.next() {
        let when = end.finished_at.as_ref().map(|time| time.0);
        if end.exit_code == 0 {
            return Tried::Well(when);
        }
        let said = end.message.as_deref().and_then(|message| serde_json::from_str(message).ok());
        return Tried::Badly { found: said.as_ref().and_then(refusal), since: when };
    }
    let failed = status.conditions.iter().flatten().find(|it| it.type_ == "Failed" && it.status == "True");
    if let Some(failed) = failed {
        if failed.reason.as_deref() == Some("DeadlineExceeded") {
            return Tried::TooLate;
        }
        return Tried::Badly { found: None, since: failed.last_transition_time.as_ref().map(|time| time.0) };
    }
    let made = job.creation_timestamp().map(|time| time.0);
    if pods.is_empty() && made.is_some_and(|made| lasted(made, now) > PATIENCE) {
        let message = format!("no pod can be made: see the events of Job {}", job.name_any());
        return Tried::NotYet(Some(Trouble { reason: Reason::PodRefused, message }));
    }
    // one that has ended is no trouble: it was to
    Tried::NotYet(troubles::of(None, pods, now).filter(|trouble| trouble.reason != Reason::ServerCrashes))
}

fn is_of(job: &Job, store: &Store<'_>) -> bool {
    job.owner_references().iter().any(|owner| owner.uid == store.owner.uid)
}

/// Made by the operator, for whatever store.
fn is_ours(job: &Job) -> bool {
    job.labels().get(MANAGED_BY).is_some_and(|by| by == OPERATOR)
}

fn conflict(kind: Kind, name: &str) -> Refusal {
    Refusal::new(ConditionType::StorageReady, Reason::Conflict, in_the_way(kind, name))
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
