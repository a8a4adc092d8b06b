//! Closes batches of the audit trail and drops old ones, on one replica at a time.

use std::time::Duration;

use zot_domain::audit::BatchCloser;
use zot_domain::lease::Lease;

use super::job::{Failure, Job, Progress};

pub(super) struct AuditBatches {
    pub closer: BatchCloser,
    pub lease: Lease,
}

impl Job for AuditBatches {
    const NAME: &'static str = "audit_batches";

    /// Changes within this time are not detected.
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        let Some(done) = self.closer.run(&self.lease).await? else { return Ok(Progress::Standby) };
        if done.suspect > 0 {
            tracing::error!(
                batches = done.suspect,
                "batches of the audit trail do not match their signatures and are kept; run `zot-artifact-store fsck`"
            );
        }
        if done.batches + done.dropped > 0 {
            let (batches, rows, dropped) = (done.batches, done.rows, done.dropped);
            tracing::debug!(batches, rows, dropped, "batches of the audit trail were closed or dropped");
        }
        Ok(Progress::Done)
    }
}
