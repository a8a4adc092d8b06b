//! Kubernetes events about a store.

use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use sha2::{Digest as _, Sha256};
use zot_crds::ZotArtifactStore;

use crate::apply::{Applied, ApplyOutcome};
use crate::error::is_namespace_terminating;
use crate::labels::OPERATOR;

/// The reasons of normal events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventReason {
    Created,
    Updated,
    Pruned,
    DriftCorrected,
    RolloutStarted,
    RolloutCompleted,
}

impl EventReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Pruned => "Pruned",
            Self::DriftCorrected => "DriftCorrected",
            Self::RolloutStarted => "RolloutStarted",
            Self::RolloutCompleted => "RolloutCompleted",
        }
    }
}

/// Writes events. Nothing depends on them: an event that cannot be written is logged.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(client: kube::Client, instance: &str) -> Self {
        let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// `action` names the object that the event is about.
    pub(crate) async fn normal(&self, store: &ZotArtifactStore, reason: EventReason, action: &str, note: String) {
        self.publish(store, EventType::Normal, reason.as_str(), action, note).await;
    }

    pub(crate) async fn warning(&self, store: &ZotArtifactStore, reason: &str, action: &str, note: String) {
        self.publish(store, EventType::Warning, reason, action, note).await;
    }

    /// `settled`: the same spec was applied before, so somebody else caused each change.
    pub(crate) async fn applied(&self, store: &ZotArtifactStore, applied: &[Applied], settled: bool) {
        for child in applied {
            let reason = match child.outcome {
                ApplyOutcome::Created | ApplyOutcome::Changed if settled => EventReason::DriftCorrected,
                ApplyOutcome::Created => EventReason::Created,
                ApplyOutcome::Changed => EventReason::Updated,
                ApplyOutcome::Unchanged | ApplyOutcome::Foreign | ApplyOutcome::VolumeRefused(_) => continue,
            };
            self.object(store, reason, child.object()).await;
        }
    }

    /// An event about `object`, such as `Service hello`.
    pub(crate) async fn object(&self, store: &ZotArtifactStore, reason: EventReason, object: String) {
        self.normal(store, reason, &object.replace(' ', "/"), object.clone()).await;
    }

    async fn publish(&self, store: &ZotArtifactStore, type_: EventType, reason: &str, action: &str, note: String) {
        // the API server accepts 1 KiB
        let note = Some(note[..note.floor_char_boundary(1000)].to_owned());
        // events that differ in the note only would be counted as one, with the first note
        let digest = hex::encode(&Sha256::digest(note.as_deref().unwrap_or_default())[..4]);
        let action = format!("{}-{digest}", action.chars().take(100).collect::<String>());
        let event = Event { type_, reason: reason.to_owned(), note, action, secondary: None };
        let published = self.recorder.publish(&event, &store.object_ref(&())).await;
        if let Err(error) = published.map_err(Box::new)
            && !is_namespace_terminating(&error)
        {
            tracing::warn!(%error, reason, "cannot write an event");
        }
    }
}
