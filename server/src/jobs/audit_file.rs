//! Copies closed batches of the audit trail to the file of `log.audit`.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zot_domain::ports::audit::Changes;
use zot_gateway::Notes;

use super::job::{Failure, Job, Progress};
use crate::journal::Journal;

/// Roots that are read at once.
const PAGE: u32 = 20;

pub(super) struct AuditFile {
    pub path: PathBuf,
    pub changes: Arc<dyn Changes>,
    pub notes: Notes,
    /// None at first and after a failure: then the file is read to find where to continue.
    pub open: Option<Journal>,
}

impl AuditFile {
    /// Appends some of the batches that are not in the file yet.
    async fn append(&mut self) -> Result<Progress, Failure> {
        let mut journal = match self.open.take() {
            Some(journal) => journal,
            None => Journal::open(&self.path).map_err(failure)?,
        };
        let roots = self.changes.roots_after(journal.whole(), PAGE).await?;
        let progress = if roots.is_empty() { Progress::Done } else { Progress::More };
        for root in roots {
            let rows = self.changes.batch(root.seq, u32::try_from(root.rows).unwrap_or(u32::MAX)).await?;
            // writing may block
            let written = tokio::task::spawn_blocking(move || journal.append(&root, rows).map(|()| journal)).await;
            journal = written.map_err(failure)?.map_err(failure)?;
        }
        if progress == Progress::Done {
            let last = self.changes.last_root().await?.map_or(0, |root| root.seq);
            let is_longer = last < journal.whole();
            let path = self.path.display();
            let note = || format!("log.audit: {path} has more batches than the database: move it away");
            self.notes.set("log.audit", is_longer.then(note));
        }
        self.open = Some(journal);
        Ok(progress)
    }
}

fn failure(error: impl Display) -> Failure {
    Failure { shown: error.to_string(), cause: error.to_string() }
}

impl Job for AuditFile {
    const NAME: &'static str = "audit_file";

    fn interval(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        let done = self.append().await;
        if let Err(failure) = &done {
            let why = format!("the audit trail is not copied to log.audit: {}", failure.shown);
            self.notes.set("log.audit", Some(why));
        }
        done
    }
}
