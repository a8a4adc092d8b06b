//! Garbage collection: what nothing references goes, while everything else goes on.
//!
//! Rows first, bytes much later: uploads that expired and candidates whose grace period is over end as dead segments;
//! the byte deleter takes the bytes after another delay; the sweep finds what lies in storage and no row names. The
//! rules that make this safe are in `docs/STORE.md`, most of them in the statements of `zot-store`.

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
/// A process that died while it collected holds the others up for this long.
const LEASE_SECS: i64 = 120;

pub type Rest = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What was referenced, pushed or mounted this recently stays. At least an hour: writers count with it (rule A2).
    pub grace: Duration,
    /// How long bytes stay that no row needs any more (rule A3).
    pub delete_delay: Duration,
    /// How old bytes are that the sweep takes for forgotten. An upload that takes longer has to be done again.
    pub orphan_age: Duration,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Uploads that had expired.
    pub uploads: u64,
    /// Memberships that no manifest needed.
    pub memberships: u64,
    /// Blobs that nothing referenced.
    pub blobs: u64,
    /// Segments whose bytes were deleted.
    pub segments: u64,
    /// Those bytes, and those of half written files.
    pub freed_bytes: u64,
    /// Keys that lay in storage and that no row named; their bytes go after the delay.
    pub orphans: u64,
    /// Segments whose bytes the storage did not delete: they are tried again after the delay.
    pub stuck: Vec<SegmentKey>,
    /// References that came where the rules should have made it impossible: nothing was lost, but this wants a look.
    pub conflicts: Vec<Candidate>,
    /// Why no bytes were deleted, if so.
    pub withheld: Option<String>,
}

/// Collects garbage. Cheap to clone.
#[derive(Clone)]
pub struct Collector {
    upkeep: Arc<dyn Upkeep>,
    inventory: Arc<dyn Inventory>,
    rules: Rules,
    rest: Option<Rest>,
}

impl Collector {
    /// A collector by these rules.
    pub fn new(upkeep: Arc<dyn Upkeep>, inventory: Arc<dyn Inventory>, rules: Rules) -> Self {
        Self { upkeep, inventory, rules, rest: None }
    }

    /// One that rests for as long as it worked, so that requests do not wait behind it.
    #[must_use]
    pub fn gentle(mut self, rest: Rest) -> Self {
        self.rest = Some(rest);
        self
    }

    /// What a run would do now, storage not looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forecast(&self) -> Result<Forecast> {
        self.upkeep.forecast(secs(self.rules.grace), secs(self.rules.delete_delay)).await
    }

    /// The lease under which this process collects.
    pub fn lease(&self, holder: impl Into<String>) -> Lease {
        Lease::new(Arc::clone(&self.upkeep), LEASE, holder, LEASE_SECS)
    }

    /// Does all there is to do, and sweeps this many shards of the storage; none if another process is collecting.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the next run goes on where this one ended.
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

/// The shards that are swept next, beginning at `place`.
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
