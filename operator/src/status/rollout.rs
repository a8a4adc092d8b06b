//! The progress of a rollout, from the status of the Deployment.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use zot_crds::status::{ConditionType, Phase, Reason};

use super::conditions::{ConditionSet, ConditionState};
use crate::diagnostics::COMPLETE;

#[derive(Clone, Copy, PartialEq, Eq)]
enum RolloutProgress {
    UnderWay,
    DeadlineExceeded,
    /// All servers have the current spec and became available.
    Complete,
}

pub(super) struct Rollout {
    exists: bool,
    /// The Deployment's controller has seen the current spec.
    current: bool,
    wanted: i32,
    replicas: i32,
    updated: i32,
    pub(super) available: i32,
    progress: RolloutProgress,
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
                Some("ProgressDeadlineExceeded") => RolloutProgress::DeadlineExceeded,
                Some(COMPLETE) => RolloutProgress::Complete,
                _ => RolloutProgress::UnderWay,
            },
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.progress == RolloutProgress::DeadlineExceeded
    }

    /// No server is being replaced: unavailable servers were available before.
    pub(super) fn is_settled(&self) -> bool {
        self.current
            && self.progress == RolloutProgress::Complete
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

    pub(super) fn summary(&self) -> String {
        if !self.exists {
            return "the operator has created no servers yet".to_owned();
        }
        let summary = format!("{} of {} servers are available", self.available, self.wanted);
        if self.updated == self.wanted { summary } else { format!("{summary}, {} have the current spec", self.updated) }
    }

    pub(super) fn available(&self) -> ConditionState {
        if self.available > 0 {
            ConditionState::yes(Reason::AllReplicasReady, self.summary())
        } else {
            ConditionState::no(Reason::ReplicasUnavailable, self.summary())
        }
    }

    pub(super) fn progressing(&self) -> ConditionState {
        match self.is_done() {
            true => ConditionState::no(Reason::Settled, "no change is under way"),
            false if self.has_failed() => ConditionState::no(Reason::RolloutDeadlineExceeded, self.summary()),
            false if self.is_settled() => ConditionState::no(Reason::ReplicasUnavailable, self.summary()),
            false => ConditionState::yes(Reason::RolloutInProgress, self.summary()),
        }
    }

    pub(super) fn ready(&self) -> ConditionState {
        match self.is_done() {
            true => ConditionState::yes(Reason::AllReplicasReady, self.summary()),
            false if self.has_failed() => ConditionState::no(Reason::RolloutDeadlineExceeded, self.summary()),
            false if self.updated == self.wanted => ConditionState::no(Reason::ReplicasUnavailable, self.summary()),
            false => ConditionState::no(Reason::RolloutInProgress, self.summary()),
        }
    }

    pub(super) fn phase(&self, conditions: &ConditionSet) -> Phase {
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
