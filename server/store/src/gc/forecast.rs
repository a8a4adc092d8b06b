//! Counts what garbage collection would do, without doing it.

use zot_domain::Result;
use zot_domain::ports::upkeep::Forecast;

use crate::pool::Store;
use crate::sql::statements;

statements! {
    COUNT_EXPIRED = "SELECT COUNT(*) FROM upload WHERE expires_at < now_us()";
    COUNT_MEMBERSHIPS = "SELECT COUNT(*)
        FROM repo_blob rb JOIN gc_candidate c ON c.kind = 'repo_blob' AND c.id = CAST(rb.repo AS TEXT) || '/' || CAST(rb.blob AS TEXT)
        WHERE c.due_at <= now_us() - $1 * 1000000 AND rb.touched_at < now_us() - $1 * 1000000
            AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = rb.repo AND e.blob = rb.blob)
            AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo = rb.repo AND m.blob = rb.blob)";
    /// Blobs that nothing references now, and those that the memberships will release.
    COUNT_BLOBS = "SELECT COUNT(*), CAST(COALESCE(SUM(b.size), 0) AS BIGINT)
        FROM gc_candidate c JOIN blob b ON b.id = CAST(c.id AS BIGINT)
        WHERE c.kind = 'blob' AND c.due_at <= now_us() - $1 * 1000000 AND b.touched_at < now_us() - $1 * 1000000
            AND NOT EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = b.id)";
    COUNT_LATER = "SELECT COUNT(*) FROM gc_candidate WHERE due_at > now_us() - $1 * 1000000";
    COUNT_DEAD = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM segment
        WHERE state = 'dead' AND gone_at IS NULL AND dead_at <= now_us() - $1 * 1000000";
    COUNT_WAITING = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM segment
        WHERE state = 'dead' AND gone_at IS NULL AND dead_at > now_us() - $1 * 1000000";
}

impl Store {
    pub(crate) async fn read_forecast(&self, grace_secs: i64, delay_secs: i64) -> Result<Forecast> {
        let (uploads,): (u64,) = self.one(COUNT_EXPIRED.on(self.dialect)).await?;
        let (memberships,): (u64,) = self.one(COUNT_MEMBERSHIPS.on(self.dialect).bind(grace_secs)).await?;
        let (blobs, blob_bytes) = self.one(COUNT_BLOBS.on(self.dialect).bind(grace_secs)).await?;
        let (segments, segment_bytes) = self.one(COUNT_DEAD.on(self.dialect).bind(delay_secs)).await?;
        let (waiting, waiting_bytes) = self.one(COUNT_WAITING.on(self.dialect).bind(delay_secs)).await?;
        let (later,): (u64,) = self.one(COUNT_LATER.on(self.dialect).bind(grace_secs)).await?;
        Ok(Forecast { later, uploads, memberships, blobs, blob_bytes, segments, segment_bytes, waiting, waiting_bytes })
    }
}
