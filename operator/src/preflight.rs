//! Starts the preflight Job of [`crate::build::preflight`], and reads its result.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use zot_crds::status::{ConditionType, Reason};

use crate::ambient;
use crate::apply::{self, apply};
use crate::build::preflight::{PREFLIGHT, children, is_needed, name};
use crate::build::servers;
use crate::diagnostics::{Diagnosis, GRACE_PERIOD, elapsed, first_problem, unavailable_since};
use crate::error::{Error, StoreRefusal};
use crate::kinds::ObjectKind;
use crate::labels::{COMPONENT, INSTANCE, MANAGED_BY, OPERATOR};
use crate::validate::ValidSpec;

/// How soon a failed preflight is repeated.
pub(crate) const RETRY: Duration = Duration::from_secs(20);

/// After a preflight has passed, it is repeated only if no server is available any more: that shows whether the bucket or the
/// database is the cause.
///
/// # Errors
/// The preflight runs, or has failed.
pub(crate) async fn check(client: &Client, store: &ValidSpec<'_>) -> Result<(), Error> {
    if !is_needed(store) {
        return Ok(());
    }
    let (jobs, name) = (Api::<Job>::namespaced(client.clone(), &store.namespace), name(store));
    let now = ambient::now();
    let deployment = store.facts.deployment.as_ref();
    let unavailable = unavailable_since(deployment, now);
    // available servers that were started after this preflight prove more than the preflight could
    let passed_before = deployment.is_some_and(|it| it.annotations().get(servers::PREFLIGHT) == Some(&name));
    if passed_before && unavailable.is_none() {
        return Ok(());
    }
    let running = || {
        refusal(ConditionType::StorageReady, Reason::PreflightRunning, format!("Job {name} checks bucket and database"))
    };
    let Some(job) = jobs.get_opt(&name).await.map_err(Error::api("reading the preflight Job"))? else {
        delete_others(&jobs, store, &name).await?;
        let applied = apply(client, &store.namespace, &children(store), false).await?;
        return Err(applied.iter().find(|it| it.is_foreign()).map_or_else(running, |it| conflict(it.conflict())));
    };
    if !is_of(&job, store) {
        if job.labels().get(MANAGED_BY).is_none_or(|by| by != OPERATOR) {
            return Err(conflict(apply::conflict(ObjectKind::Job, &name)));
        }
        // left by a deleted store of the same name
        delete(&jobs, &job.metadata).await?;
        return Err(running());
    }
    let pods = pods(client, &store.namespace, &name).await?;
    match result(&job, &pods, now) {
        PreflightResult::Passed(when) => {
            if unavailable.zip(when).is_some_and(|(unavailable, when)| when < unavailable) {
                delete(&jobs, &job.metadata).await?;
            }
            Ok(())
        }
        PreflightResult::Failed { report, since } => {
            if since.is_none_or(|since| elapsed(since, now) > RETRY) {
                delete(&jobs, &job.metadata).await?;
            }
            let unknown = || {
                let message = format!("the preflight failed without a report: see the events of Job {name}");
                StoreRefusal::new(ConditionType::StorageReady, Reason::PreflightFailed, message)
            };
            Err(report.unwrap_or_else(unknown).into())
        }
        PreflightResult::TimedOut => {
            // the conditions keep the cause that was found while the Job ran
            delete(&jobs, &job.metadata).await?;
            Err(running())
        }
        PreflightResult::Pending(diagnosis) => Err(diagnosis.map_or_else(running, |it| {
            let message = format!("bucket and database cannot be checked: {}", it.message);
            refusal(ConditionType::Degraded, it.reason, message)
        })),
    }
}

fn refusal(condition: ConditionType, reason: Reason, message: String) -> Error {
    StoreRefusal::new(condition, reason, message).into()
}

fn conflict(message: String) -> Error {
    refusal(ConditionType::StorageReady, Reason::Conflict, message)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PreflightResult {
    Passed(Option<Timestamp>),
    /// Without a report the check itself could not run.
    Failed {
        report: Option<StoreRefusal>,
        since: Option<Timestamp>,
    },
    TimedOut,
    /// The Job has not ended; what blocks it.
    Pending(Option<Diagnosis>),
}

/// The end of the container counts, not that of the Job: sidecars that the cluster injects may run for ever.
pub(crate) fn result(job: &Job, pods: &[Pod], now: Timestamp) -> PreflightResult {
    let status = job.status.clone().unwrap_or_default();
    if status.succeeded.unwrap_or(0) > 0 {
        return PreflightResult::Passed(status.completion_time.map(|time| time.0));
    }
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
    let mut ends = statuses.filter(|it| it.name == PREFLIGHT).filter_map(|it| it.state.as_ref()?.terminated.as_ref());
    if let Some(end) = ends.next() {
        let when = end.finished_at.as_ref().map(|time| time.0);
        if end.exit_code == 0 {
            return PreflightResult::Passed(when);
        }
        let report = end.message.as_deref().and_then(|message| serde_json::from_str(message).ok());
        return PreflightResult::Failed { report: report.as_ref().and_then(reported), since: when };
    }
    let failed = status.conditions.iter().flatten().find(|it| it.type_ == "Failed" && it.status == "True");
    if let Some(failed) = failed {
        if failed.reason.as_deref() == Some("DeadlineExceeded") {
            return PreflightResult::TimedOut;
        }
        return PreflightResult::Failed {
            report: None,
            since: failed.last_transition_time.as_ref().map(|time| time.0),
        };
    }
    let created = job.creation_timestamp().map(|time| time.0);
    if pods.is_empty() && created.is_some_and(|created| elapsed(created, now) > GRACE_PERIOD) {
        let message = format!("no pod can be created: see the events of Job {}", job.name_any());
        return PreflightResult::Pending(Some(Diagnosis { reason: Reason::PodRefused, message }));
    }
    // a preflight is expected to exit
    let problem = first_problem(None, pods, now).filter(|problem| problem.reason != Reason::ServerCrashes);
    PreflightResult::Pending(problem)
}

fn is_of(job: &Job, store: &ValidSpec<'_>) -> bool {
    job.owner_references().iter().any(|owner| owner.uid == store.owner.uid)
}

/// Deletes the Jobs of earlier specs: otherwise each wrong value would leave one.
async fn delete_others(jobs: &Api<Job>, store: &ValidSpec<'_>, except: &str) -> Result<(), Error> {
    let listed = ListParams::default().labels(&format!("{INSTANCE}={},{COMPONENT}={PREFLIGHT}", store.name));
    for job in jobs.list(&listed).await.map_err(Error::api("listing preflight Jobs"))? {
        if is_of(&job, store) && job.name_any() != except {
            delete(jobs, &job.metadata).await?;
        }
    }
    Ok(())
}

/// The next reconciliation creates the Job again.
async fn delete(jobs: &Api<Job>, job: &ObjectMeta) -> Result<(), Error> {
    let preconditions = Preconditions { uid: job.uid.clone(), ..Preconditions::default() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match jobs.delete(job.name.as_deref().unwrap_or_default(), &parameters).await {
        Ok(_) => Ok(()),
        // already gone, or replaced by another Job
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(Error::api("deleting the preflight Job")(error)),
    }
}

async fn pods(client: &Client, namespace: &str, job: &str) -> Result<Vec<Pod>, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    Ok(pods.list(&of_job).await.map_err(Error::api("reading the pods of the preflight Job"))?.items)
}

/// The failed part of the report that the container wrote as its termination message.
fn reported(report: &Value) -> Option<StoreRefusal> {
    let parts = [("database", ConditionType::DatabaseReady), ("storage", ConditionType::StorageReady)];
    parts.iter().find_map(|(part, condition)| {
        let part = &report[*part];
        if part["ok"] != false {
            return None;
        }
        let reason = Reason::ALL.iter().copied().find(|reason| part["reason"] == reason.as_str())?;
        Some(StoreRefusal::new(*condition, reason, part["message"].as_str().unwrap_or_default()))
    })
}
