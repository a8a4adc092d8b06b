//! The sweep: keys that lie in storage and that no row names, left by uploads whose server died before the commit. They
//! are claimed by a row that says dead, and a commit that comes later loses against it (rule A1); age only decides
//! when to try.

use std::time::Instant;

use futures_util::StreamExt as _;

use super::{Collector, Report, shards_from};
use crate::error::Result;
use crate::lease::Lease;
use crate::ports::inventory::Stored;
use crate::ports::upkeep::{DeadSegment, SegmentRecord};

/// Keys looked up at a time.
const BATCH: usize = 500;
/// The pass whose place is kept.
const PASS: &str = "sweep";

impl Collector {
    pub(super) async fn sweep(&self, lease: &Lease, count: u16, report: &mut Report) -> Result<()> {
        let (shards, place) = shards_from(self.upkeep.place(PASS).await?, count);
        for shard in shards {
            let mut batches = self.inventory.list(Some(shard)).chunks(BATCH);
            while let Some(batch) = batches.next().await {
                let begun = Instant::now();
                let found = batch.into_iter().collect::<Result<Vec<_>>>()?;
                report.orphans += self.claim(&found).await?;
                self.breathe(lease, begun).await?;
            }
        }
        self.upkeep.set_place(PASS, place).await
    }

    async fn claim(&self, found: &[Stored]) -> Result<u64> {
        let old: Vec<_> = found.iter().filter(|stored| stored.age() >= self.rules.orphan_age).collect();
        let keys: Vec<_> = old.iter().filter_map(|stored| stored.key.clone()).collect();
        let rows = self.upkeep.segments(&keys).await?;
        let orphans: Vec<_> = old.iter().filter_map(|stored| orphan(stored, &rows)).collect();
        if orphans.is_empty() {
            return Ok(0);
        }
        Ok(self.upkeep.claim_orphans(&orphans).await?.len() as u64)
    }
}

/// What no row names, or one whose bytes ought to be gone.
fn orphan(stored: &Stored, rows: &[SegmentRecord]) -> Option<DeadSegment> {
    let key = stored.key.clone()?;
    let row = rows.iter().find(|row| row.key == key);
    row.is_none_or(|row| row.gone).then_some(DeadSegment { key, size: stored.size })
}
