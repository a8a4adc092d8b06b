//! Events: what happened to a store, in words from a closed list.

use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use zot_crds::ZotArtifactStore;

use crate::apply::{Applied, Outcome};
use crate::error::namespace_goes;
use crate::validate::Refusal;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Created,
    Updated,
    Pruned,
    DriftCorrected,
    RolloutStarted,
    RolloutCompleted,
}

impl Happened {
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

/// Writes events. Those that cannot be written are logged: nothing depends on them.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(client: kube::Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "zot-artifact-store-operator".to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something happened, to what `action` names: events that differ in the note alone would be counted as one.
    pub(crate) async fn tell(&self, store: &ZotArtifactStore, happened: Happened, action: &str, note: String) {
        self.publish(store, EventType::Normal, happened.as_str(), action, note).await;
    }

    /// A store cannot be made.
    pub(crate) async fn warn(&self, store: &ZotArtifactStore, refusal: &Refusal) {
        let (reason, action) = (refusal.reason.as_str(), refusal.condition.as_str());
        self.publish(store, EventType::Warning, reason, action, refusal.message.clone()).await;
    }

    /// What was applied; `settled`: the same was there already, so that a change is somebody else's.
    pub(crate) async fn tell_applied(&self, store: &ZotArtifactStore, applied: &[Applied], settled: bool) {
        for (kind, name, outcome) in applied {
            let happened = match outcome {
                Outcome::Created if settled => Happened::DriftCorrected,
                Outcome::Created => Happened::Created,
                Outcome::Changed if settled => Happened::DriftCorrected,
                Outcome::Changed => Happened::Updated,
                Outcome::Unchanged | Outcome::Foreign => continue,
            };
            let what = format!("{} {name}", kind.as_str());
            self.tell(store, happened, &what.replace(' ', "/"), what.clone()).await;
        }
    }

    async fn publish(&self, store: &ZotArtifactStore, type_: EventType, reason: &str, action: &str, note: String) {
        let note = Some(note.chars().take(1000).collect());
        let action = action.chars().take(128).collect();
        let event = Event { type_, reason: reason.to_owned(), note, action, secondary: None };
        let written = self.recorder.publish(&event, &store.object_ref(&())).await;
        if let Err(error) = written.map_err(Box::new)
            && !namespace_goes(&error)
        {
            tracing::warn!(%error, reason, "an event could not be written");
        }
    }
}
