//! The sweep: finds orphans in storage, left by uploads whose server died before the commit. It claims their keys with
//! dead rows, so that a later commit fails (rule A1). Age only decides when to try.

use std::time::Instant;

use futures_util::StreamExt as _;

use super::{Collector, Report, shards_from};
use crate::error::Result;
use crate::lease::Lease;
use crate::ports::inventory::Stored;
use crate::ports::upkeep::{DeadSegment, SegmentRecord};

/// Keys looked up at once.
const BATCH: usize = 500;
/// The pass whose position is stored.
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

/// Segments without a row, or whose bytes should be deleted already.
fn orphan(stored: &Stored, rows: &[SegmentRecord]) -> Option<DeadSegment> {
    let key = stored.key.clone()?;
    let row = rows.iter().find(|row| row.key == key);
    row.is_none_or(|row| row.gone).then_some(DeadSegment { key, size: stored.size })
}
