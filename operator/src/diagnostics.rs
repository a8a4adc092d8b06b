//! Why servers do not start: one reason and one sentence, from the status of their pods and their Deployment.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use zot_crds::status::Reason;

use crate::ambient;
use crate::error::Error;
use crate::labels::{APP, INSTANCE};

/// How long pods may be unscheduled, and servers unavailable, before it counts as a problem.
pub(crate) const GRACE_PERIOD: Duration = Duration::from_secs(15);
/// Reason of a Deployment's condition `Progressing` after all servers were updated and became available.
pub(crate) const COMPLETE: &str = "NewReplicaSetAvailable";
/// Longest log line that is quoted, in characters.
const QUOTE_MAX: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// The newest pod comes first: it has the current spec.
pub(crate) async fn diagnose(
    client: &Client,
    namespace: &str,
    store: &str,
    deployment: Option<&Deployment>,
) -> Result<Option<Diagnosis>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let servers = ListParams::default().labels(&format!("app={APP},{INSTANCE}={store}"));
    let mut pods = api.list(&servers).await.map_err(Error::api("reading the servers' pods"))?.items;
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp()));
    Ok(first_problem(deployment, &pods, ambient::now()))
}

pub(crate) fn first_problem(deployment: Option<&Deployment>, pods: &[Pod], now: Timestamp) -> Option<Diagnosis> {
    if let Some(refused) = condition(deployment, "ReplicaFailure").filter(|refused| refused.status == "True") {
        let message = refused.message.clone().unwrap_or_default();
        return Some(Diagnosis { reason: Reason::PodRefused, message: format!("no pod can be created: {message}") });
    }
    if let Some(diagnosis) = pods.iter().find_map(|pod| pod_problem(pod, now)) {
        return Some(diagnosis);
    }
    incomplete_since(deployment, now).map(|_| Diagnosis {
        reason: Reason::ReplicasUnavailable,
        message:
            "servers are not available, although nothing is being changed: see /health and the log of a running server"
                .to_owned(),
    })
}

/// Since when no server has been available, although no rollout is under way.
pub(crate) fn unavailable_since(deployment: Option<&Deployment>, now: Timestamp) -> Option<Timestamp> {
    let available = deployment?.status.as_ref()?.available_replicas.unwrap_or(0);
    incomplete_since(deployment, now).filter(|_| available == 0)
}

/// Since when fewer servers than required have been available, although no rollout is under way.
fn incomplete_since(deployment: Option<&Deployment>, now: Timestamp) -> Option<Timestamp> {
    let complete = condition(deployment, "Progressing")?.reason.as_deref() == Some(COMPLETE);
    let available = condition(deployment, "Available").filter(|available| available.status == "False")?;
    let since = available.last_transition_time.as_ref()?.0;
    (complete && elapsed(since, now) > GRACE_PERIOD).then_some(since)
}

fn condition<'a>(deployment: Option<&'a Deployment>, kind: &str) -> Option<&'a DeploymentCondition> {
    deployment?.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Zero if `since` comes from a clock that is ahead.
pub(crate) fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

fn pod_problem(pod: &Pod, now: Timestamp) -> Option<Diagnosis> {
    let status = pod.status.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    // evicted, or left by a lost node: the Deployment has replaced it
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        return None;
    }
    let name = pod.name_any();
    let unscheduled = |condition: &&PodCondition| {
        let since = condition.last_transition_time.as_ref().map(|time| time.0);
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && since.is_some_and(|it| elapsed(it, now) > GRACE_PERIOD)
    };
    if let Some(condition) = status.conditions.iter().flatten().find(unscheduled) {
        let message =
            format!("pod {name} cannot be scheduled: {}", condition.message.as_deref().unwrap_or("no reason given"));
        return Some(Diagnosis { reason: Reason::PodUnschedulable, message });
    }
    let containers = status.container_statuses.iter().flatten().filter(|container| !container.ready);
    let started = status.start_time.as_ref().map(|time| time.0);
    containers.into_iter().find_map(|container| container_problem(&name, container, started, now))
}

fn container_problem(
    pod: &str,
    container: &ContainerStatus,
    started: Option<Timestamp>,
    now: Timestamp,
) -> Option<Diagnosis> {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    if let Some(waiting) = waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or(reason);
        match reason {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => {
                let message = format!("image {} cannot be pulled: {reason}: {message}", container.image);
                return Some(Diagnosis { reason: Reason::ImagePullFailed, message });
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                let message = format!("pod {pod} cannot be started: {message}");
                return Some(Diagnosis { reason: Reason::PodRefused, message });
            }
            "ContainerCreating" if started.is_some_and(|started| elapsed(started, now) > 2 * GRACE_PERIOD) => {
                let message =
                    format!("pod {pod} has not started yet: see its events for what it waits for, such as a volume");
                return Some(Diagnosis { reason: Reason::PodNotStarted, message });
            }
            _ => {}
        }
    }
    let ended = |state: Option<&ContainerState>| state.and_then(|state| state.terminated.clone());
    // an exit of long ago does not explain why the container is not ready now
    let counts = |end: &ContainerStateTerminated| {
        let when = end.finished_at.as_ref().map(|time| time.0);
        waiting.is_some() || when.is_none_or(|when| elapsed(when, now) <= 2 * GRACE_PERIOD)
    };
    let last = || ended(container.last_state.as_ref()).filter(counts);
    let ended = ended(container.state.as_ref()).or_else(last)?;
    let line = ended.message.as_deref().and_then(last_line).map(|line| format!(": {line}")).unwrap_or_default();
    let how = ended.reason.as_deref().unwrap_or("exited");
    let message = format!(
        "pod {pod} exited {} times; last exit code {} ({how}){line}",
        container.restart_count.max(1),
        ended.exit_code
    );
    Some(Diagnosis { reason: Reason::ServerCrashes, message })
}

/// The last line of a log: it usually says why a program gave up.
fn last_line(log: &str) -> Option<String> {
    let line = log.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(QUOTE_MAX).collect())
}
