//! The conditions of a store: at most one of each type.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason};

use crate::ambient;

/// Longest message, in characters.
const MESSAGE_MAX: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionState {
    /// `None`: unknown.
    holds: Option<bool>,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl ConditionState {
    pub(crate) fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: Some(true), reason, message: message.into() }
    }

    pub(crate) fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: Some(false), reason, message: message.into() }
    }

    pub(crate) fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: None, reason, message: message.into() }
    }

    const fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

pub(crate) struct ConditionSet {
    before: Vec<Condition>,
    now: Vec<Condition>,
    generation: Option<i64>,
}

impl ConditionSet {
    /// An empty set. The previous conditions tell since when a status has been the same.
    pub(crate) fn of(resource: &ZotArtifactStore) -> Self {
        let before = resource.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        Self { before, now: Vec::new(), generation: resource.metadata.generation }
    }

    pub(crate) fn kept(resource: &ZotArtifactStore) -> Self {
        let mut kept = Self::of(resource);
        kept.now.clone_from(&kept.before);
        kept
    }

    pub(crate) fn set(&mut self, condition: ConditionType, state: ConditionState) {
        let (kind, status) = (condition.as_str(), state.status());
        let reason = state.reason.as_str().to_owned();
        let message = state.message;
        let message = if message.len() > MESSAGE_MAX { message.chars().take(MESSAGE_MAX).collect() } else { message };
        let before = self.before.iter().find(|condition| condition.type_ == kind && condition.status == status);
        let since = before.map_or_else(|| Time(ambient::now()), |condition| condition.last_transition_time.clone());
        let condition = Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason,
            message,
            last_transition_time: since,
            observed_generation: self.generation,
        };
        self.now.retain(|condition| condition.type_ != kind);
        self.now.push(condition);
    }

    pub(crate) fn remove(&mut self, condition: ConditionType) {
        self.now.retain(|it| it.type_ != condition.as_str());
    }

    pub(crate) fn is_true(&self, condition: ConditionType) -> bool {
        self.now.iter().any(|it| it.type_ == condition.as_str() && it.status == "True")
    }

    /// Why a condition is not true; `None` if it is true or absent.
    pub(crate) fn unmet(&self, condition: ConditionType) -> Option<(Reason, String)> {
        let found = self.now.iter().find(|it| it.type_ == condition.as_str() && it.status != "True")?;
        let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == found.reason)?;
        Some((reason, found.message.clone()))
    }
}

impl From<ConditionSet> for Vec<Condition> {
    /// Sorted by type, so that an unchanged status stays equal.
    fn from(mut conditions: ConditionSet) -> Self {
        conditions.now.sort_by(|a, b| a.type_.cmp(&b.type_));
        conditions.now
    }
}
