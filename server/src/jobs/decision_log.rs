//! Writes the records of reads and denials to the audit trail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zot_domain::Result;
use zot_domain::decision_log::{BATCH_MAX, DecisionQueue};
use zot_domain::ports::audit::Changes;
use zot_gateway::Notes;

use super::job::{Failure, Job, Progress};

/// A record waits no longer than this while the database is available.
const FLUSH_PAUSE: Duration = Duration::from_millis(500);
/// When the server stops, records get this long to be written.
const LAST_FLUSH: Duration = Duration::from_secs(10);

pub(super) struct DecisionLog {
    queue: DecisionQueue,
    changes: Arc<dyn Changes>,
    notes: Notes,
    last: Instant,
}

impl DecisionLog {
    pub(super) fn new(queue: DecisionQueue, changes: Arc<dyn Changes>, notes: Notes) -> Self {
        Self { queue, changes, notes, last: Instant::now() }
    }

    async fn flush(&self) -> Result<()> {
        while self.queue.flush(&*self.changes).await? > 0 {}
        Ok(())
    }
}

impl Job for DecisionLog {
    const NAME: &'static str = "decision_log";
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);

    /// How often the queue is checked.
    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        let queued = self.queue.figures().queued;
        if queued == 0 || (queued < BATCH_MAX && self.last.elapsed() < FLUSH_PAUSE) {
            return Ok(Progress::Idle);
        }
        self.last = Instant::now();
        let flushed = self.flush().await;
        let note = || "records of reads and denials cannot be written to the audit trail".to_owned();
        self.notes.set("audit", flushed.is_err().then(note));
        flushed?;
        Ok(Progress::Done)
    }

    async fn finish(&mut self) {
        let outcome = tokio::time::timeout(LAST_FLUSH, self.flush()).await;
        let lost = self.queue.figures().queued;
        if !matches!(outcome, Ok(Ok(()))) && lost > 0 {
            tracing::error!(
                records = lost,
                "reads and denials are missing in the audit trail: the database did not accept them"
            );
        }
    }
}
