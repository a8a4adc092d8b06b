//! What came of trying bucket and database: see [`crate::build::preflight`].

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::Value;
use zot_crds::status::{ConditionType, Reason};

use crate::apply::apply;
use crate::build::preflight::{children, is_needed, name};
use crate::error::Error;
use crate::troubles::away_since;
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
        apply(client, &store.namespace, &children(store), false).await?;
        return Ok(Some(running()));
    };
    let status = job.status.unwrap_or_default();
    if status.succeeded.unwrap_or(0) > 0 {
        let away = away_since(store.facts.deployment.as_ref(), Timestamp::now());
        let tried = status.completion_time.map(|time| time.0);
        if away.zip(tried).is_some_and(|(away, tried)| tried < away) {
            remove(&jobs, &name).await?;
        }
        return Ok(None);
    }
    let failed = status.conditions.iter().flatten().find(|it| it.type_ == "Failed" && it.status == "True");
    let Some(failed) = failed else { return Ok(Some(running())) };
    let said = said(client, &store.namespace, &name).await?;
    let since = failed.last_transition_time.as_ref().map(|time| Timestamp::now().duration_since(time.0));
    if since.is_none_or(|since| since.unsigned_abs() > AGAIN) {
        remove(&jobs, &name).await?;
    }
    Ok(Some(said.as_ref().and_then(refusal).unwrap_or_else(|| {
        let message = format!("it could not be tried: see the pods of Job {name}");
        Refusal::new(ConditionType::StorageReady, Reason::PreflightFailed, message)
    })))
}

/// So that the next look makes it anew.
async fn remove(jobs: &Api<Job>, name: &str) -> Result<(), Error> {
    match jobs.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::api("removing the preflight")(error)),
    }
}

/// What the command left as its last words.
async fn said(client: &Client, namespace: &str, job: &str) -> Result<Option<Value>, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pods = pods.list(&of_job).await.map_err(Error::api("reading the preflight's pods"))?;
    let statuses = pods.items.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
    let mut messages = statuses.filter_map(|status| status.state?.terminated?.message);
    Ok(messages.find_map(|message| serde_json::from_str(&message).ok()))
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
