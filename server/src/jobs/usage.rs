//! Adds usage changes that writers recorded to the totals of their namespaces, on one replica at a time.

use std::sync::Arc;
use std::time::Duration;

use zot_domain::lease::Lease;
use zot_domain::ports::upkeep::Upkeep;

use super::job::{Failure, Job, Progress};

/// If a replica dies meanwhile, the others wait this long.
const LEASE_SECS: i64 = 60;
/// Rows that one transaction folds: other writers wait for it on SQLite.
const BATCH: u32 = 500;

pub(super) struct Usage {
    upkeep: Arc<dyn Upkeep>,
    lease: Lease,
}

impl Usage {
    pub(super) fn new(upkeep: Arc<dyn Upkeep>, holder: &str) -> Self {
        Self { lease: Lease::new(Arc::clone(&upkeep), "usage", holder, LEASE_SECS), upkeep }
    }
}

impl Job for Usage {
    const NAME: &'static str = "usage";

    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        if !self.lease.take().await? {
            return Ok(Progress::Standby);
        }
        let folded = self.upkeep.fold_usage(BATCH).await?;
        Ok(if folded == u64::from(BATCH) { Progress::More } else { Progress::Done })
    }
}
