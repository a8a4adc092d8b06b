//! Garbage collection: deletes what nothing references, while the store works.
//!
//! Expired uploads, and candidates whose grace period is over, become dead segments. After a second delay the byte
//! deleter deletes their bytes. The sweep finds orphans: files in storage without a row. `docs/STORE.md` has the rules
//! that make this safe; the statements of `zot-store` enforce most of them.

mod bytes;
mod rows;
mod sweep;

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::ports::blobs::SegmentKey;
use crate::ports::inventory::{Inventory, SHARDS};
use crate::ports::upkeep::{Candidate, Forecast, Upkeep};

/// The lease under which one process collects.
const LEASE: &str = "gc";
/// If a process dies while it collects, the others wait this long.
const LEASE_SECS: i64 = 120;

pub type Rest = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Content that was pushed, mounted or referenced this recently is kept. At least an hour: writers rely on it (rule
    /// A2).
    pub grace: Duration,
    /// How long the bytes of dead segments are kept (rule A3).
    pub delete_delay: Duration,
    /// The age from which the sweep treats unreferenced files as orphans. A longer upload must be repeated.
    pub orphan_age: Duration,
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Expired uploads.
    pub uploads: u64,
    /// Memberships that no manifest needed.
    pub memberships: u64,
    pub blobs: u64,
    /// Segments whose bytes were deleted.
    pub segments: u64,
    /// The bytes freed, those of unfinished files included.
    pub freed_bytes: u64,
    /// Orphans that were found. Their bytes are deleted after the delay.
    pub orphans: u64,
    /// Segments that the storage failed to delete: they are tried again after the delay.
    pub stuck: Vec<SegmentKey>,
    /// References that the rules should have made impossible. Nothing was lost, but this needs a look.
    pub conflicts: Vec<Candidate>,
    /// Why no bytes were deleted, if so.
    pub withheld: Option<String>,
}

#[derive(Clone)]
pub struct Collector {
    upkeep: Arc<dyn Upkeep>,
    inventory: Arc<dyn Inventory>,
    rules: Rules,
    rest: Option<Rest>,
}

impl Collector {
    pub fn new(upkeep: Arc<dyn Upkeep>, inventory: Arc<dyn Inventory>, rules: Rules) -> Self {
        Self { upkeep, inventory, rules, rest: None }
    }

    /// Rests for as long as it worked, so that requests do not wait for it.
    #[must_use]
    pub fn gentle(mut self, rest: Rest) -> Self {
        self.rest = Some(rest);
        self
    }

    /// What a run would do now. It does not look at storage.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forecast(&self) -> Result<Forecast> {
        self.upkeep.forecast(secs(self.rules.grace), secs(self.rules.delete_delay)).await
    }

    pub fn lease(&self, holder: impl Into<String>) -> Lease {
        Lease::new(Arc::clone(&self.upkeep), LEASE, holder, LEASE_SECS)
    }

    /// Collects everything that is due and sweeps this many shards of the storage. None if another process is
    /// collecting.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the next run continues.
    pub async fn run(&self, lease: &Lease, shards: u16) -> Result<Option<Report>> {
        if !lease.take().await? {
            return Ok(None);
        }
        let mut report = Report::default();
        let outcome = self.work(lease, shards, &mut report).await;
        lease.release().await?;
        outcome.map(|()| Some(report))
    }

    async fn work(&self, lease: &Lease, shards: u16, report: &mut Report) -> Result<()> {
        self.expire_uploads(lease, report).await?;
        self.collect_rows(lease, report).await?;
        self.upkeep.shrink().await?;
        match self.bytes(lease, shards, report).await {
            Err(Error::Denied(why)) => {
                report.withheld = Some(why);
                Ok(())
            }
            done => done,
        }
    }

    async fn bytes(&self, lease: &Lease, shards: u16, report: &mut Report) -> Result<()> {
        self.permission().await?;
        self.delete_bytes(lease, report).await?;
        self.sweep(lease, shards, report).await
    }

    /// Renews the lease before each batch, and rests after it.
    async fn breathe(&self, lease: &Lease, begun: Instant) -> Result<()> {
        if let Some(rest) = &self.rest {
            rest(begun.elapsed()).await;
        }
        lease.renew().await
    }
}

/// The next shards to sweep, from `place` on.
fn shards_from(place: i64, count: u16) -> (Range<u16>, i64) {
    let from = u16::try_from(place).unwrap_or(0) % SHARDS;
    let to = from.saturating_add(count).min(SHARDS);
    (from..to, i64::from(to % SHARDS))
}

/// For the database, which counts in whole seconds.
pub(crate) fn secs(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_cover_all_shards() {
        assert_eq!(shards_from(0, 11), (0..11, 11));
        assert_eq!(shards_from(250, 11), (250..256, 0));
        assert_eq!(shards_from(0, u16::MAX), (0..256, 0));
        assert_eq!(shards_from(-7, 1), (0..1, 1));
    }
}
