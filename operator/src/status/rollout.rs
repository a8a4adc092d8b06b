//! How far the servers are, by what their Deployment says.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use zot_crds::status::{ConditionType, Phase, Reason};

use super::conditions::{Conditions, Found};
use crate::troubles::COMPLETE;

/// How far the Deployment's controller is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Going,
    /// Not in time.
    Failed,
    /// All servers are what was asked for last, and took requests once.
    Complete,
}

/// How far the servers are.
pub(super) struct Rollout {
    exists: bool,
    /// What was asked for was seen by the Deployment's controller.
    current: bool,
    wanted: i32,
    replicas: i32,
    updated: i32,
    pub(super) available: i32,
    progress: Progress,
}

impl Rollout {
    pub(super) fn of(deployment: Option<&Deployment>) -> Self {
        let status = deployment.and_then(|it| it.status.as_ref());
        let count = |of: fn(&DeploymentStatus) -> Option<i32>| status.and_then(of).unwrap_or(0);
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let progress = conditions.into_iter().flatten().find(|condition| condition.type_ == "Progressing");
        Self {
            exists: deployment.is_some(),
            current: deployment
                .is_some_and(|it| status.is_some_and(|status| status.observed_generation >= it.metadata.generation)),
            wanted: deployment.and_then(|it| it.spec.as_ref()?.replicas).unwrap_or(1),
            replicas: count(|status| status.replicas),
            updated: count(|status| status.updated_replicas),
            available: count(|status| status.available_replicas),
            progress: match progress.and_then(|condition| condition.reason.as_deref()) {
                Some("ProgressDeadlineExceeded") => Progress::Failed,
                Some(COMPLETE) => Progress::Complete,
                _ => Progress::Going,
            },
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.progress == Progress::Failed
    }

    /// Nothing is being replaced: servers that are away were there.
    pub(super) fn is_settled(&self) -> bool {
        self.current
            && self.progress == Progress::Complete
            && self.updated == self.wanted
            && self.replicas == self.wanted
    }

    pub(super) fn is_done(&self) -> bool {
        self.exists
            && self.current
            && self.updated == self.wanted
            && self.replicas == self.wanted
            && self.available == self.wanted
    }

    pub(super) fn said(&self) -> String {
        if !self.exists {
            return "there are no servers yet".to_owned();
        }
        let said = format!("{} of {} servers take requests", self.available, self.wanted);
        if self.updated == self.wanted { said } else { format!("{said}, {} of them are replaced", self.updated) }
    }

    pub(super) fn available(&self) -> Found {
        if self.available > 0 {
            Found::yes(Reason::AllReplicasReady, self.said())
        } else {
            Found::no(Reason::ReplicasUnavailable, self.said())
        }
    }

    pub(super) fn progressing(&self) -> Found {
        match self.is_done() {
            true => Found::no(Reason::Settled, "nothing is being changed"),
            false if self.has_failed() => Found::no(Reason::RolloutDeadlineExceeded, self.said()),
            false if self.is_settled() => Found::no(Reason::ReplicasUnavailable, self.said()),
            false => Found::yes(Reason::RolloutInProgress, self.said()),
        }
    }

    pub(super) fn ready(&self) -> Found {
        match self.is_done() {
            true => Found::yes(Reason::AllReplicasReady, self.said()),
            false if self.has_failed() => Found::no(Reason::RolloutDeadlineExceeded, self.said()),
            false if self.updated == self.wanted => Found::no(Reason::ReplicasUnavailable, self.said()),
            false => Found::no(Reason::RolloutInProgress, self.said()),
        }
    }

    pub(super) fn phase(&self, conditions: &Conditions) -> Phase {
        if conditions.is_true(ConditionType::Ready) {
            Phase::Running
        } else if self.available > 0 {
            if self.is_settled() || self.has_failed() { Phase::Running } else { Phase::Upgrading }
        } else if self.has_failed() || conditions.is_true(ConditionType::Degraded) {
            Phase::Failed
        } else {
            Phase::Pending
        }
    }
}
