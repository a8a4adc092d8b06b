//! Computes the digests of objects that were uploaded in parts, one at a time and on one replica at a time.

use std::time::Duration;

use zot_domain::Buckets;
use zot_domain::lease::Lease;

use super::job::{Failure, Job, Progress};

pub(super) struct Digests {
    pub buckets: Buckets,
    pub lease: Lease,
}

impl Job for Digests {
    const NAME: &'static str = "digests";

    fn interval(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        if !self.lease.take().await? {
            return Ok(Progress::Standby);
        }
        Ok(if self.buckets.digest_next().await? { Progress::More } else { Progress::Done })
    }
}
