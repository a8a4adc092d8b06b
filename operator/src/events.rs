//! Events: what happened to a store, in words from a closed list.

use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use sha2::{Digest as _, Sha256};
use zot_crds::ZotArtifactStore;

use crate::apply::{Applied, Outcome};
use crate::error::namespace_goes;

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

    /// Something happened, to what `action` names.
    pub(crate) async fn tell(&self, store: &ZotArtifactStore, happened: Happened, action: &str, note: String) {
        self.publish(store, EventType::Normal, happened.as_str(), action, note).await;
    }

    /// Something turned bad.
    pub(crate) async fn warn(&self, store: &ZotArtifactStore, reason: &str, action: &str, note: String) {
        self.publish(store, EventType::Warning, reason, action, note).await;
    }

    /// What was applied; `settled`: the same was there already, so that a change is somebody else's.
    pub(crate) async fn tell_applied(&self, store: &ZotArtifactStore, applied: &[Applied], settled: bool) {
        for (kind, name, outcome) in applied {
            let happened = match outcome {
                Outcome::Created if settled => Happened::DriftCorrected,
                Outcome::Created => Happened::Created,
                Outcome::Changed if settled => Happened::DriftCorrected,
                Outcome::Changed => Happened::Updated,
                Outcome::Unchanged | Outcome::Foreign | Outcome::Kept(_) => continue,
            };
            let what = format!("{} {name}", kind.as_str());
            self.tell(store, happened, &what.replace(' ', "/"), what.clone()).await;
        }
    }

    async fn publish(&self, store: &ZotArtifactStore, type_: EventType, reason: &str, action: &str, note: String) {
        // 1 KiB is what the API server takes of one
        let note = Some(note[..note.floor_char_boundary(1000)].to_owned());
        // events that differ in the note alone would be counted as one, with the note of the first
        let told = hex::encode(&Sha256::digest(note.as_deref().unwrap_or_default())[..4]);
        let action = format!("{}-{told}", action.chars().take(100).collect::<String>());
        let event = Event { type_, reason: reason.to_owned(), note, action, secondary: None };
        let written = self.recorder.publish(&event, &store.object_ref(&())).await;
        if let Err(error) = written.map_err(Box::new)
            && !namespace_goes(&error)
        {
            tracing::warn!(%error, reason, "an event could not be written");
        }
    }
}
