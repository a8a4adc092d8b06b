//! From storage to database: files without a row or of another size. From database to storage: rows whose bytes are
//! missing.

use futures_util::StreamExt as _;

use super::{Finding, Fsck, Kind, Progress, Report, Scope};
use crate::error::Result;
use crate::ports::blobs::SegmentKey;
use crate::ports::inventory::Stored;
use crate::ports::upkeep::{DeadSegment, SegmentRecord};

/// Keys looked up at once.
const BATCH: usize = 500;
const PAGE: u32 = 1000;

impl Fsck {
    /// Returns the stored keys, sorted: 16 bytes each, so that millions fit into memory.
    pub(super) async fn check_storage(
        &self,
        scope: Scope,
        progress: Progress<'_>,
        report: &mut Report,
    ) -> Result<Vec<SegmentKey>> {
        let mut keys = Vec::new();
        let mut batches = self.inventory.list(None).chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let batch = batch.into_iter().collect::<Result<Vec<_>>>()?;
            self.check_batch(scope, &batch, report).await?;
            keys.extend(batch.into_iter().filter_map(|stored| stored.key));
            progress("files in storage", report.segments);
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn check_batch(&self, scope: Scope, batch: &[Stored], report: &mut Report) -> Result<()> {
        let keys: Vec<_> = batch.iter().filter_map(|stored| stored.key.clone()).collect();
        let mut rows = self.upkeep.segments(&keys).await?;
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut orphans = Vec::new();
        for stored in batch {
            let Some(key) = &stored.key else {
                report.findings.push(Finding::new(Kind::Foreign, stored.path.clone()));
                continue;
            };
            report.segments += 1;
            report.stored_bytes += stored.size;
            match rows.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &rows[at]) {
                Some(row) if row.dead && !row.gone => report.dead += 1,
                // the blob's own finding reports it
                Some(row) if row.quarantined => {}
                Some(row) if !row.dead && row.size != stored.size => report.findings.push(wrong_size(row, stored)),
                Some(row) if !row.dead => {}
                _ if stored.age() < scope.orphan_age => report.young += 1,
                _ => orphans.push(DeadSegment { key: key.clone(), size: stored.size }),
            }
        }
        self.note_orphans(scope, &orphans, report).await
    }

    async fn note_orphans(&self, scope: Scope, orphans: &[DeadSegment], report: &mut Report) -> Result<()> {
        let claimed =
            if scope.repair && !orphans.is_empty() { self.upkeep.claim_orphans(orphans).await? } else { Vec::new() };
        for orphan in orphans {
            let mut finding = Finding::new(Kind::Orphan, format!("segment {}, {} bytes", orphan.key, orphan.size));
            finding.repaired = claimed.contains(&orphan.key);
            report.findings.push(finding);
        }
        Ok(())
    }

    pub(super) async fn check_presence(
        &self,
        stored: &[SegmentKey],
        progress: Progress<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let page = self.upkeep.segments_after(&after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.key.to_string();
            count += page.len() as u64;
            let absent = |row: &&SegmentRecord| !row.quarantined && stored.binary_search(&row.key).is_err();
            for row in page.iter().filter(absent) {
                let missing = match self.is_missing(&row.key).await {
                    Ok(missing) => missing,
                    Err(error) if self.is_of_one(&error, report).await => {
                        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                        let subject = format!("segment {}{}: {why}", row.key, of_blob(row));
                        report.findings.push(Finding { blob: row.blob, ..Finding::new(Kind::Unreadable, subject) });
                        false
                    }
                    Err(error) => return Err(error),
                };
                if missing {
                    let subject = format!("segment {}, {} bytes{}, is not in storage", row.key, row.size, of_blob(row));
                    report.findings.push(Finding { blob: row.blob, ..Finding::new(Kind::Missing, subject) });
                }
            }
            progress("segments in the database", count);
        }
    }

    /// Checks again: the segment may have been committed or deleted after storage was listed.
    async fn is_missing(&self, key: &SegmentKey) -> Result<bool> {
        if self.inventory.size(key).await?.is_some() {
            return Ok(false);
        }
        Ok(self.upkeep.segments(std::slice::from_ref(key)).await?.iter().any(|row| !row.dead))
    }
}

fn wrong_size(row: &SegmentRecord, stored: &Stored) -> Finding {
    let subject = format!("segment {} has {} bytes in storage, not {}{}", row.key, stored.size, row.size, of_blob(row));
    Finding { blob: row.blob, ..Finding::new(Kind::WrongSize, subject) }
}

fn of_blob(row: &SegmentRecord) -> String {
    row.blob.map_or_else(|| ", of a running upload".to_owned(), |blob| format!(", of blob {blob}"))
}
