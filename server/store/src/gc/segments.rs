//! Dead segments: those whose bytes are due, those whose bytes are deleted, and orphans (rules A1 and A3).

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::upkeep::DeadSegment;

use crate::error::TxError;
use crate::pool::Store;
use crate::row::rows;
use crate::sql::{Statement, json_list, statements};
use crate::tx::{Tx, Write};

statements! {
    SELECT_DEAD = "SELECT key, size FROM segment
        WHERE state = 'dead' AND gone_at IS NULL AND dead_at <= now_us() - $1 * 1000000 ORDER BY dead_at LIMIT $2";
    NOTE_GONE = "UPDATE segment SET gone_at = now_us()
        WHERE state = 'dead' AND key IN (SELECT item.value FROM json_list($1) AS item)";
    POSTPONE = "UPDATE segment SET dead_at = now_us()
        WHERE state = 'dead' AND key IN (SELECT item.value FROM json_list($1) AS item)";
    FORGET_GONE = "DELETE FROM segment WHERE key IN
        (SELECT key FROM segment WHERE gone_at IS NOT NULL AND gone_at < now_us() - $1 * 1000000 LIMIT 1000)";
    /// Each value is the size, in 20 digits, and the key.
    CLAIM_ORPHANS = "INSERT INTO segment (key, state, start, size, dead_at)
        SELECT SUBSTR(item.value, 21), 'dead', 0, CAST(SUBSTR(item.value, 1, 20) AS BIGINT), now_us()
        FROM json_list($1) AS item WHERE 1 = 1 ON CONFLICT (key) DO NOTHING RETURNING key";
    /// The writer was slower than the deletion of its segment: the bytes exist again.
    CLAIM_RETURNED = "UPDATE segment SET gone_at = NULL, dead_at = now_us() WHERE state = 'dead' AND gone_at IS NOT NULL
        AND key IN (SELECT SUBSTR(item.value, 21) FROM json_list($1) AS item) RETURNING key";
}

impl Store {
    pub(crate) async fn read_dead_segments(&self, delay_secs: i64, limit: u32) -> Result<Vec<DeadSegment>> {
        let query = SELECT_DEAD.on(self.dialect).bind(delay_secs).bind(i64::from(limit));
        self.all(query).await
    }

    pub(crate) async fn write_gone(&self, keys: &[SegmentKey]) -> Result<()> {
        self.write(NoteDead { keys: json_list(keys), statement: &NOTE_GONE }).await
    }

    pub(crate) async fn write_postponed(&self, keys: &[SegmentKey]) -> Result<()> {
        self.write(NoteDead { keys: json_list(keys), statement: &POSTPONE }).await
    }

    pub(crate) async fn write_forgotten(&self, secs: i64) -> Result<u64> {
        self.write(ForgetGone { secs }).await
    }

    pub(crate) async fn write_orphans(&self, found: &[DeadSegment]) -> Result<Vec<SegmentKey>> {
        let found = json_list(found.iter().map(|orphan| format!("{:020}{}", orphan.size, orphan.key)));
        self.write(ClaimOrphans { found }).await
    }
}

rows! { DeadSegment { key, size } }

/// Records what happened to dead segments.
struct NoteDead {
    keys: String,
    statement: &'static Statement,
}

/// Forgets up to a thousand segments.
struct ForgetGone {
    secs: i64,
}

/// Claims keys for the byte deleter.
struct ClaimOrphans {
    found: String,
}

#[async_trait]
impl Write for NoteDead {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(tx.query(self.statement).bind(self.keys.clone())).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

#[async_trait]
impl Write for ForgetGone {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, TxError> {
        tx.execute(tx.query(&FORGET_GONE).bind(self.secs)).await
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<u64>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

#[async_trait]
impl Write for ClaimOrphans {
    type Output = Vec<SegmentKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<SegmentKey>, TxError> {
        let mut claimed = Vec::new();
        for statement in [&CLAIM_ORPHANS, &CLAIM_RETURNED] {
            let keys = tx.all(tx.query(statement).bind(self.found.clone())).await?;
            claimed.extend(keys.into_iter().map(|(key,)| key));
        }
        Ok(claimed)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<Vec<SegmentKey>>, TxError> {
        // keys that the first attempt claimed are only missing in the count
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
