//! Conditions: one of each type, whose time is that of their last change.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use zot_crds::ZotArtifactStore;
use zot_crds::status::{ConditionType, Reason};

/// Longest message, in characters.
const MESSAGE_MAX: usize = 1024;

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    holds: Option<bool>,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Found {
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

/// The conditions of a store.
pub(crate) struct Conditions {
    before: Vec<Condition>,
    now: Vec<Condition>,
    generation: Option<i64>,
}

impl Conditions {
    /// None yet; those of before tell since when each is as it is.
    pub(crate) fn of(resource: &ZotArtifactStore) -> Self {
        let before = resource.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
        Self { before, now: Vec::new(), generation: resource.metadata.generation }
    }

    /// Those of before.
    pub(crate) fn kept(resource: &ZotArtifactStore) -> Self {
        let mut kept = Self::of(resource);
        kept.now.clone_from(&kept.before);
        kept
    }

    pub(crate) fn set(&mut self, about: ConditionType, found: Found) {
        let (kind, status) = (about.as_str(), found.status());
        let reason = found.reason.as_str().to_owned();
        let message = found.message;
        let message = if message.len() > MESSAGE_MAX { message.chars().take(MESSAGE_MAX).collect() } else { message };
        let before = self.before.iter().find(|condition| condition.type_ == kind && condition.status == status);
        let since = before.map_or_else(|| Time(Timestamp::now()), |condition| condition.last_transition_time.clone());
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

    pub(crate) fn remove(&mut self, about: ConditionType) {
        self.now.retain(|condition| condition.type_ != about.as_str());
    }

    pub(crate) fn is_true(&self, about: ConditionType) -> bool {
        self.now.iter().any(|condition| condition.type_ == about.as_str() && condition.status == "True")
    }

    /// Why one does not hold; none if it does, or is not known.
    pub(crate) fn unmet(&self, about: ConditionType) -> Option<(Reason, String)> {
        let condition = self.now.iter().find(|it| it.type_ == about.as_str() && it.status != "True")?;
        let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == condition.reason)?;
        Some((reason, condition.message.clone()))
    }
}

impl From<Conditions> for Vec<Condition> {
    /// In an order that does not depend on what was found first.
    fn from(mut conditions: Conditions) -> Self {
        conditions.now.sort_by(|a, b| a.type_.cmp(&b.type_));
        conditions.now
    }
}
