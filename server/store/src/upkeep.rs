//! The port `Upkeep`: leases are in `lease.rs`, garbage collection in `gc.rs`, `fsck` in `fsck.rs`.

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::upkeep::{BlobRecord, Candidate, Collected, DeadSegment, Forecast, Hold, SegmentRecord, Upkeep};

use crate::pool::Store;

#[async_trait]
impl Upkeep for Store {
    async fn lease(&self, name: &'static str, holder: &str, lease_secs: i64) -> Result<Option<i64>> {
        self.take_lease(name, holder, lease_secs).await
    }

    async fn release(&self, name: &'static str, holder: &str, fence: i64) -> Result<()> {
        self.release_lease(name, holder, fence).await
    }

    async fn incarnations(&self) -> Result<(String, Option<String>)> {
        self.read_incarnations().await
    }

    async fn has_recorded_identity(&self) -> Result<bool> {
        Store::has_recorded_identity(self).await
    }

    async fn record_identity(&self) -> Result<()> {
        self.write_physical_identity().await
    }

    async fn begin_incarnation(&self, current: &str, next: &str) -> Result<()> {
        self.write_next_incarnation(current, next).await
    }

    async fn enter_incarnation(&self, next: &str) -> Result<()> {
        self.write_incarnation(next).await
    }

    async fn holds(&self) -> Result<Vec<Hold>> {
        self.read_holds().await
    }

    async fn hold(&self, id: &str, secs: i64) -> Result<()> {
        self.write_hold(id, secs).await.map(drop)
    }

    async fn end_hold(&self, id: &str) -> Result<bool> {
        self.write_hold(id, 0).await
    }

    async fn integrity(&self, limit: u32) -> Result<Vec<String>> {
        self.read_integrity(limit).await
    }

    async fn shrink(&self) -> Result<()> {
        self.vacuum().await
    }

    async fn place(&self, pass: &'static str) -> Result<i64> {
        self.read_place(pass).await
    }

    async fn set_place(&self, pass: &'static str, place: i64) -> Result<()> {
        self.write_place(pass, place).await
    }

    async fn fold_usage(&self, limit: u32) -> Result<u64> {
        self.write_folded_usage(limit).await
    }

    async fn expired_uploads(&self, limit: u32) -> Result<Vec<String>> {
        self.read_expired_uploads(limit).await
    }

    async fn expire_upload(&self, id: &str) -> Result<bool> {
        self.end_expired_upload(id).await
    }

    async fn candidates(&self, grace_secs: i64, limit: u32) -> Result<Vec<Candidate>> {
        self.read_candidates(grace_secs, limit).await
    }

    async fn collect(&self, candidate: &Candidate, grace_secs: i64) -> Result<Collected> {
        self.collect_candidate(candidate, grace_secs).await
    }

    async fn dead_segments(&self, delay_secs: i64, limit: u32) -> Result<Vec<DeadSegment>> {
        self.read_dead_segments(delay_secs, limit).await
    }

    async fn note_gone(&self, keys: &[SegmentKey]) -> Result<()> {
        self.write_gone(keys).await
    }

    async fn postpone(&self, keys: &[SegmentKey]) -> Result<()> {
        self.write_postponed(keys).await
    }

    async fn forget_gone(&self, secs: i64) -> Result<u64> {
        self.write_forgotten(secs).await
    }

    async fn claim_orphans(&self, found: &[DeadSegment]) -> Result<Vec<SegmentKey>> {
        self.write_orphans(found).await
    }

    async fn forecast(&self, grace_secs: i64, delay_secs: i64) -> Result<Forecast> {
        self.read_forecast(grace_secs, delay_secs).await
    }

    async fn blobs_after(&self, id: i64, limit: u32) -> Result<Vec<BlobRecord>> {
        self.read_blobs_after(id, limit).await
    }

    async fn segments(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentRecord>> {
        self.read_segments(keys).await
    }

    async fn segments_after(&self, key: &str, limit: u32) -> Result<Vec<SegmentRecord>> {
        self.read_segments_after(key, limit).await
    }

    async fn quarantine_blob(&self, blob: i64) -> Result<()> {
        self.set_quarantine(blob, true).await
    }

    async fn restore_blob(&self, blob: i64) -> Result<()> {
        self.set_quarantine(blob, false).await
    }

    async fn contradictions(&self, limit: u32) -> Result<Vec<String>> {
        self.read_contradictions(limit).await
    }

    async fn leaked(&self, limit: u32) -> Result<Vec<String>> {
        self.read_leaked(limit).await
    }

    async fn requeue_leaked(&self) -> Result<u64> {
        self.write_leaked().await
    }
}
