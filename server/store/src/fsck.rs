//! Reads for `fsck`: blobs with their bytes, rows of segments, and contradictions between rows.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::any::AnyRow;
use zot_core::digest::Digest;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::{Content, Segment};
use zot_domain::ports::upkeep::{BlobRecord, SegmentRecord};
use zot_domain::{Error, Result};

use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, segment_columns};
use crate::sql::{Dialect, Statement, json_list, statements};
use crate::tx::{Tx, Write, read_error};

statements! {
    SELECT_BLOBS = "SELECT b.id, b.size, b.state, CASE WHEN b.merged_into IS NULL THEN 0 ELSE 1 END AS merged,
            COALESCE((SELECT r.name FROM repo_blob rb JOIN repository r ON r.id = rb.repo WHERE rb.blob = b.id LIMIT 1),
                (SELECT n.name || '/' || v.key FROM object_version v JOIN namespace n ON n.id = v.ns
                    WHERE v.blob = b.id LIMIT 1)) AS used_by
        FROM blob b WHERE b.id > $1 ORDER BY b.id LIMIT $2";
    SELECT_NAMES = "SELECT blob, digest FROM blob_name WHERE blob > $1 AND blob <= $2 ORDER BY blob, digest";
    SELECT_INLINE = "SELECT blob, bytes FROM blob_inline WHERE blob > $1 AND blob <= $2";
    SELECT_BLOB_SEGMENTS = concat!("SELECT s.blob, ", segment_columns!(), " FROM segment s
        WHERE s.blob > $1 AND s.blob <= $2 AND s.state = 'live' ORDER BY s.blob, s.start");
    SELECT_SEGMENTS = "SELECT s.key, s.size, s.state, CASE WHEN s.gone_at IS NULL THEN 0 ELSE 1 END AS gone, s.blob,
            CASE WHEN b.state = 'quarantined' THEN 1 ELSE 0 END AS quarantined
        FROM segment s LEFT JOIN blob b ON b.id = s.blob
        WHERE s.key IN (SELECT item.value FROM json_list($1) AS item)";
    SELECT_SEGMENTS_AFTER = "SELECT s.key, s.size, s.state, CASE WHEN s.gone_at IS NULL THEN 0 ELSE 1 END AS gone, s.blob,
            CASE WHEN b.state = 'quarantined' THEN 1 ELSE 0 END AS quarantined
        FROM segment s LEFT JOIN blob b ON b.id = s.blob
        WHERE s.key > $1 AND s.state <> 'dead' ORDER BY s.key LIMIT $2";
    QUARANTINE = "UPDATE blob SET state = 'quarantined' WHERE id = $1";
    END_QUARANTINE = "UPDATE blob SET state = CASE WHEN EXISTS (SELECT 1 FROM blob_name n WHERE n.blob = $1)
            THEN 'sealed' ELSE 'open' END
        WHERE id = $1 AND state = 'quarantined'";

    BLOBS_WITHOUT_DIGEST = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' has no digest although it was computed' FROM blob b
        WHERE b.state = 'sealed' AND b.merged_into IS NULL
            AND NOT EXISTS (SELECT 1 FROM blob_name n WHERE n.blob = b.id AND SUBSTR(n.digest, 1, 7) = 'sha256:') LIMIT $1";
    MERGED_TWICE = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' was merged into a blob that was merged itself' FROM blob b
        JOIN blob w ON w.id = b.merged_into WHERE w.merged_into IS NOT NULL LIMIT $1";
    LIVE_WITHOUT_BLOB = "SELECT 'segment ' || key || ' is live, but belongs to no blob' FROM segment
        WHERE state = 'live' AND blob IS NULL LIMIT $1";
    STAGED_WITHOUT_UPLOAD = "SELECT 'segment ' || s.key || ' is staged for an upload that does not exist' FROM segment s
        WHERE s.state = 'staged' AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.id = s.owner_upload AND u.state = 'open')
        LIMIT $1";
    HEADS_WITHOUT_VERSION = "SELECT 'object ' || n.name || '/' || h.key || ' is listed, but its newest version does not exist'
        FROM object_head h JOIN namespace n ON n.id = h.ns WHERE h.live = 1 AND NOT EXISTS (SELECT 1 FROM object_version v
            WHERE v.ns = h.ns AND v.key = h.key AND v.seq = h.seq AND v.blob IS NOT NULL) LIMIT $1";
    LEAKED_BLOBS = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' is unreferenced, but no candidate'
        FROM blob b WHERE NOT EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = b.id)
            AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'blob' AND c.id = CAST(b.id AS TEXT)) LIMIT $1";
    LEAKED_MEMBERS = "SELECT 'blob ' || CAST(rb.blob AS TEXT) || ' of ' || r.name
            || ' is in no manifest, but no candidate'
        FROM repo_blob rb JOIN repository r ON r.id = rb.repo
        WHERE NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = rb.repo AND e.blob = rb.blob)
            AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo = rb.repo AND m.blob = rb.blob)
            AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'repo_blob'
                AND c.id = CAST(rb.repo AS TEXT) || '/' || CAST(rb.blob AS TEXT)) LIMIT $1";
    REQUEUE_BLOBS = "INSERT INTO gc_candidate (kind, id, due_at) SELECT 'blob', CAST(b.id AS TEXT), now_us() FROM blob b
        WHERE NOT EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = b.id) ON CONFLICT (kind, id) DO NOTHING";
    REQUEUE_MEMBERS = "INSERT INTO gc_candidate (kind, id, due_at)
        SELECT 'repo_blob', CAST(rb.repo AS TEXT) || '/' || CAST(rb.blob AS TEXT), now_us() FROM repo_blob rb
        WHERE NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = rb.repo AND e.blob = rb.blob)
            AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo = rb.repo AND m.blob = rb.blob)
        ON CONFLICT (kind, id) DO NOTHING";
}

/// Each finds contradictions between rows and describes them in its one column.
static CONTRADICTIONS: [&Statement; 5] =
    [&BLOBS_WITHOUT_DIGEST, &MERGED_TWICE, &LIVE_WITHOUT_BLOB, &STAGED_WITHOUT_UPLOAD, &HEADS_WITHOUT_VERSION];
/// Each finds unreferenced rows and describes them in its one column.
static LEAKED: [&Statement; 2] = [&LEAKED_BLOBS, &LEAKED_MEMBERS];

impl Store {
    pub(crate) async fn read_blobs_after(&self, id: i64, limit: u32) -> Result<Vec<BlobRecord>> {
        let blobs: Vec<BlobRecord> = self.all(SELECT_BLOBS.on(self.dialect).bind(id).bind(i64::from(limit))).await?;
        let Some(last) = blobs.last().map(|blob| blob.id) else { return Ok(blobs) };
        let mut found: BTreeMap<i64, BlobRecord> = blobs.into_iter().map(|blob| (blob.id, blob)).collect();
        let range = |statement: &'static Statement| statement.on(self.dialect).bind(id).bind(last);
        for (blob, digest) in self.all::<(i64, Digest)>(range(&SELECT_NAMES)).await? {
            found.entry(blob).and_modify(|blob| blob.digests.push(digest));
        }
        for (blob, bytes) in self.all::<(i64, Bytes)>(range(&SELECT_INLINE)).await? {
            found.entry(blob).and_modify(|blob| blob.content = Content::Inline(bytes));
        }
        for PartOfBlob { blob, segment } in self.all(range(&SELECT_BLOB_SEGMENTS)).await? {
            match found.get_mut(&blob).map(|blob| &mut blob.content) {
                Some(Content::Segments(segments)) => segments.push(segment),
                Some(Content::Inline(_)) => return Err(Error::Internal(format!("blob {blob} has its bytes twice"))),
                // a newer blob than those that were read
                None => {}
            }
        }
        Ok(found.into_values().collect())
    }

    pub(crate) async fn read_segments(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentRecord>> {
        self.all(SELECT_SEGMENTS.on(self.dialect).bind(json_list(keys))).await
    }

    pub(crate) async fn read_segments_after(&self, key: &str, limit: u32) -> Result<Vec<SegmentRecord>> {
        self.all(SELECT_SEGMENTS_AFTER.on(self.dialect).bind(key.to_owned()).bind(i64::from(limit))).await
    }

    pub(crate) async fn read_leaked(&self, limit: u32) -> Result<Vec<String>> {
        self.sentences(&LEAKED, limit).await
    }

    async fn sentences(&self, statements: &[&'static Statement], limit: u32) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for statement in statements {
            let rows = self.all(statement.on(self.dialect).bind(i64::from(limit))).await?;
            found.extend(rows.into_iter().map(|(sentence,)| sentence));
        }
        Ok(found)
    }

    pub(crate) async fn read_contradictions(&self, limit: u32) -> Result<Vec<String>> {
        let mut found = self.sentences(&CONTRADICTIONS, limit).await?;
        if self.dialect == Dialect::Sqlite {
            for (table,) in self.all::<(String,)>(sqlx::query("PRAGMA foreign_key_check")).await? {
                found.push(format!("a row of table {table} references one that does not exist"));
            }
        }
        Ok(found)
    }

    /// SQLite's own check of tables and indexes. Postgres has no such statement.
    pub(crate) async fn read_integrity(&self, limit: u32) -> Result<Vec<String>> {
        if self.dialect != Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let check = sqlx::AssertSqlSafe(format!("PRAGMA integrity_check({limit})"));
        let rows = match sqlx::query_scalar::<_, String>(check).fetch_all(&self.pool).await {
            Ok(rows) => rows,
            // too damaged for the check itself
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "11" || code == "26") => {
                return Ok(vec![error.message().to_owned()]);
            }
            Err(error) => return Err(read_error(error)),
        };
        Ok(rows.into_iter().filter(|row| row != "ok").collect())
    }

    pub(crate) async fn write_leaked(&self) -> Result<u64> {
        self.write(RequeueLeaked).await
    }

    pub(crate) async fn set_quarantine(&self, blob: i64, quarantined: bool) -> Result<()> {
        self.write(SetQuarantine { blob, quarantined }).await
    }
}

/// A blob without its digests and bytes.
impl Row for BlobRecord {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let state: String = column(row, "state")?;
        Ok(Self {
            id: column(row, "id")?,
            size: column(row, "size")?,
            open: state == "open",
            quarantined: state == "quarantined",
            merged: column(row, "merged")?,
            digests: Vec::new(),
            content: Content::Segments(Vec::new()),
            used_by: column(row, "used_by")?,
        })
    }
}

struct PartOfBlob {
    blob: i64,
    segment: Segment,
}

impl Row for PartOfBlob {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self { blob: column(row, "blob")?, segment: Segment::read(row)? })
    }
}

impl Row for SegmentRecord {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            key: column(row, "key")?,
            size: column(row, "size")?,
            dead: column::<String>(row, "state")? == "dead",
            gone: column(row, "gone")?,
            blob: column(row, "blob")?,
            quarantined: column(row, "quarantined")?,
        })
    }
}

/// Puts a damaged blob in quarantine, or takes a healed one out.
struct SetQuarantine {
    blob: i64,
    quarantined: bool,
}

#[async_trait]
impl Write for SetQuarantine {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let statement = if self.quarantined { &QUARANTINE } else { &END_QUARANTINE };
        tx.execute(tx.query(statement).bind(self.blob)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

/// Makes candidates of leaked rows.
struct RequeueLeaked;

#[async_trait]
impl Write for RequeueLeaked {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, TxError> {
        Ok(tx.execute(tx.query(&REQUEUE_BLOBS)).await? + tx.execute(tx.query(&REQUEUE_MEMBERS)).await?)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<u64>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
