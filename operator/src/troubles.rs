//! Why servers do not come up: what their pods and their Deployment say of it, in one reason and one sentence.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use zot_crds::status::Reason;

use crate::build::{APP, INSTANCE};
use crate::error::Error;

/// How long a pod may be without a node, and servers away, before somebody is called: schedulers and kubelets need a while.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// Why a Deployment's condition `Progressing` is as it is, when all servers are what was asked for and took requests once.
pub(crate) const COMPLETE: &str = "NewReplicaSetAvailable";
/// Longest part of a server's last words, in characters.
const WORDS_MAX: usize = 300;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// Looks at the pods of a store, the newest one first: it is of what was asked for last.
pub(crate) async fn look(
    client: &Client,
    namespace: &str,
    store: &str,
    deployment: Option<&Deployment>,
) -> Result<Option<Trouble>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let servers = ListParams::default().labels(&format!("app={APP},{INSTANCE}={store}"));
    let mut pods = api.list(&servers).await.map_err(Error::api("reading the servers' pods"))?.items;
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp()));
    Ok(of(deployment, &pods, Timestamp::now()))
}

pub(crate) fn of(deployment: Option<&Deployment>, pods: &[Pod], now: Timestamp) -> Option<Trouble> {
    if let Some(refused) = condition(deployment, "ReplicaFailure").filter(|refused| refused.status == "True") {
        let message = refused.message.clone().unwrap_or_default();
        return Some(Trouble { reason: Reason::PodRefused, message: format!("no pod can be made: {message}") });
    }
    if let Some(trouble) = pods.iter().find_map(|pod| of_pod(pod, now)) {
        return Some(trouble);
    }
    // who knows why is the server, and what it stands on
    missing_since(deployment, now).map(|_| Trouble {
        reason: Reason::ReplicasUnavailable,
        message: "servers take no requests, though nothing is being changed: see /health of one that runs, and its log"
            .to_owned(),
    })
}

/// Since when none of the servers takes requests, though nothing about them is being changed.
pub(crate) fn away_since(deployment: Option<&Deployment>, now: Timestamp) -> Option<Timestamp> {
    let available = deployment?.status.as_ref()?.available_replicas.unwrap_or(0);
    missing_since(deployment, now).filter(|_| available == 0)
}

/// The same of some of them: all were there once, and are not for a while.
fn missing_since(deployment: Option<&Deployment>, now: Timestamp) -> Option<Timestamp> {
    let complete = condition(deployment, "Progressing")?.reason.as_deref() == Some(COMPLETE);
    let available = condition(deployment, "Available").filter(|available| available.status == "False")?;
    let since = available.last_transition_time.as_ref()?.0;
    (complete && lasted(since, now) > PATIENCE).then_some(since)
}

fn condition<'a>(deployment: Option<&'a Deployment>, kind: &str) -> Option<&'a DeploymentCondition> {
    deployment?.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// How long it is so; nothing, by a clock that is ahead of ours.
pub(crate) fn lasted(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

fn of_pod(pod: &Pod, now: Timestamp) -> Option<Trouble> {
    let status = pod.status.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    // evicted, or of a node that went down: they lie about, and others stand in for them
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        return None;
    }
    let name = pod.name_any();
    let unscheduled = |condition: &&PodCondition| {
        let since = condition.last_transition_time.as_ref().map(|time| time.0);
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && since.is_some_and(|it| lasted(it, now) > PATIENCE)
    };
    if let Some(condition) = status.conditions.iter().flatten().find(unscheduled) {
        let message = format!("pod {name} finds no node: {}", condition.message.as_deref().unwrap_or("no reason told"));
        return Some(Trouble { reason: Reason::PodUnschedulable, message });
    }
    let containers = status.container_statuses.iter().flatten().filter(|container| !container.ready);
    let began = status.start_time.as_ref().map(|time| time.0);
    containers.into_iter().find_map(|container| of_container(&name, container, began, now))
}

fn of_container(pod: &str, container: &ContainerStatus, began: Option<Timestamp>, now: Timestamp) -> Option<Trouble> {
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
                return Some(Trouble { reason: Reason::ImagePullFailed, message });
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                let message = format!("pod {pod} cannot be started: {message}");
                return Some(Trouble { reason: Reason::PodRefused, message });
            }
            "ContainerCreating" if began.is_some_and(|began| lasted(began, now) > 2 * PATIENCE) => {
                let message =
                    format!("pod {pod} is not started yet: its events say what it waits for, such as a volume");
                return Some(Trouble { reason: Reason::PodNotStarted, message });
            }
            _ => {}
        }
    }
    let ended = |state: Option<&ContainerState>| state.and_then(|state| state.terminated.clone());
    // an end of long ago is not why it takes no requests now
    let counts = |end: &ContainerStateTerminated| {
        let when = end.finished_at.as_ref().map(|time| time.0);
        waiting.is_some() || when.is_none_or(|when| lasted(when, now) <= 2 * PATIENCE)
    };
    let last = || ended(container.last_state.as_ref()).filter(counts);
    let ended = ended(container.state.as_ref()).or_else(last)?;
    let words = ended.message.as_deref().and_then(last_words).map(|words| format!(": {words}")).unwrap_or_default();
    let how = ended.reason.as_deref().unwrap_or("ended");
    let message = format!(
        "pod {pod} ended {} times, with exit code {} ({how}){words}",
        container.restart_count.max(1),
        ended.exit_code
    );
    Some(Trouble { reason: Reason::ServerCrashes, message })
}

/// The end of a log: a program that gives up says why in its last line.
fn last_words(log: &str) -> Option<String> {
    let line = log.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(WORDS_MAX).collect())
}
