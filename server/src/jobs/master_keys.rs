//! Reloads the master keys when their file changes, and encrypts secrets again with the key in use.

use std::sync::Arc;
use std::time::Duration;

use zot_gateway::Notes;
use zot_identity::{Accounts, Identity};

use super::job::{Failure, Job, Progress};
use crate::masters::Origin;

pub(super) struct MasterKeys {
    identity: Arc<Identity>,
    accounts: Accounts,
    origin: Origin,
    notes: Notes,
    used: Vec<Vec<u8>>,
}

impl MasterKeys {
    pub(super) fn new(identity: Arc<Identity>, accounts: Accounts, origin: Origin, notes: Notes) -> Self {
        let used = origin.read().unwrap_or_default();
        Self { identity, accounts, origin, notes, used }
    }

    fn reload(&mut self) -> Result<(), Failure> {
        let found = self.origin.read().map_err(|error| Failure {
            shown: "the master keys cannot be read; continuing with the previous keys".to_owned(),
            cause: format!("{error}; continuing with the previous keys"),
        })?;
        if found != self.used {
            self.identity.rotate(&found)?;
            tracing::info!(keys = found.len(), "the master keys were changed");
            self.used = found;
        }
        Ok(())
    }

    async fn reencrypt(&self) -> Result<(), Failure> {
        let (encrypted, lost) = self.accounts.reencrypt().await?;
        if encrypted > 0 {
            tracing::info!(access_keys = encrypted, "access keys were encrypted with the master key in use");
        }
        let note = || {
            format!(
                "{lost} access keys cannot be decrypted: they were encrypted with another master key; add it to auth.keyFile, \
                 or delete the access keys"
            )
        };
        self.notes.set("accesskeys", (lost > 0).then(note));
        Ok(())
    }

    async fn check_issuers(&self) {
        let silent = self.identity.unreachable_issuers().await.join(", ");
        let note =
            || format!("issuers do not answer: {silent}. Tokens with known keys are accepted, others are refused");
        self.notes.set("issuers", (!silent.is_empty()).then(note));
    }
}

impl Job for MasterKeys {
    const NAME: &'static str = "master_keys";

    fn interval(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        // if one fails, the others still run
        let reloaded = self.reload();
        let reencrypted = self.reencrypt().await;
        self.check_issuers().await;
        reloaded.and(reencrypted)?;
        Ok(Progress::Done)
    }
}
