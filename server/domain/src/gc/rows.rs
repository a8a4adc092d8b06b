//! The rows: expired uploads, then candidates, oldest first.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use super::{Collector, Report, secs};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::ports::upkeep::{Candidate, CandidateKind, Collected};

/// Rows in a batch; the lease is renewed after each.
const BATCH: u32 = 200;
/// Concurrent candidates: on SQLite they share a commit, on Postgres each has its own short transaction.
const AT_A_TIME: usize = 4;

impl Collector {
    pub(super) async fn expire_uploads(&self, lease: &Lease, report: &mut Report) -> Result<()> {
        loop {
            let begun = Instant::now();
            let expired = self.upkeep.expired_uploads(BATCH).await?;
            let mut ended = 0;
            for id in &expired {
                ended += u64::from(self.upkeep.expire_upload(id).await?);
            }
            report.uploads += ended;
            if ended == 0 {
                return Ok(());
            }
            self.breathe(lease, begun).await?;
        }
    }

    /// Until nothing is due. A blob that a membership releases is due a grace period later, as it was touched.
    pub(super) async fn collect_rows(&self, lease: &Lease, report: &mut Report) -> Result<()> {
        loop {
            let begun = Instant::now();
            let candidates = self.upkeep.candidates(secs(self.rules.grace), BATCH).await?;
            let before = report.conflicts.len();
            let looked_at = candidates.len();
            let mut outcomes = stream::iter(candidates).map(|it| self.collect(it)).buffer_unordered(AT_A_TIME);
            while let Some((candidate, outcome)) = outcomes.next().await {
                match (candidate.kind, outcome) {
                    (CandidateKind::Membership, Ok(Collected::Removed(_))) => report.memberships += 1,
                    (CandidateKind::Blob, Ok(Collected::Removed(_))) => report.blobs += 1,
                    (_, Ok(Collected::Kept | Collected::TooFresh)) => {}
                    // malformed candidates must not block the others
                    (_, Err(Error::Conflict | Error::Internal(_))) => report.conflicts.push(candidate),
                    (_, Err(error)) => return Err(error),
                }
            }
            // candidates in conflict remain: the next run tries them again
            if looked_at == report.conflicts.len() - before {
                return Ok(());
            }
            self.breathe(lease, begun).await?;
        }
    }

    async fn collect(&self, candidate: Candidate) -> (Candidate, Result<Collected>) {
        let outcome = self.upkeep.collect(&candidate, secs(self.rules.grace)).await;
        (candidate, outcome)
    }
}
