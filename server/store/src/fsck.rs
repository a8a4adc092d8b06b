//! What `fsck` reads: blobs with their bytes, the rows of segments, rows that contradict each other.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::Content;
use zot_domain::ports::upkeep::{BlobRecord, SegmentRecord};
use zot_domain::{Error, Result};

use crate::error::TxError;
use crate::pool::Store;
use crate::reads::{segment_of, to_u64};
use crate::sql::{Dialect, Statement, json_list, statements};
use crate::tx::{Tx, Write, read_error};

statements! {
    SELECT_BLOBS = "SELECT b.id, b.size, b.state, CASE WHEN b.merged_into IS NULL THEN 0 ELSE 1 END,
            COALESCE((SELECT r.name FROM repo_blob rb JOIN repository r ON r.id = rb.repo WHERE rb.blob = b.id LIMIT 1),
                (SELECT n.name || '/' || v.key FROM object_version v JOIN namespace n ON n.id = v.ns
                    WHERE v.blob = b.id LIMIT 1))
        FROM blob b WHERE b.id > $1 ORDER BY b.id LIMIT $2";
    SELECT_NAMES = "SELECT blob, digest FROM blob_name WHERE blob > $1 AND blob <= $2 ORDER BY blob, digest";
    SELECT_INLINE = "SELECT blob, bytes FROM blob_inline WHERE blob > $1 AND blob <= $2";
    SELECT_BLOB_SEGMENTS = "SELECT blob, key, start, size, sha256 FROM segment
        WHERE blob > $1 AND blob <= $2 AND state = 'live' ORDER BY blob, start";
    SELECT_SEGMENTS = "SELECT s.key, s.size, s.state, CASE WHEN s.gone_at IS NULL THEN 0 ELSE 1 END, s.blob,
            CASE WHEN b.state = 'quarantined' THEN 1 ELSE 0 END
        FROM segment s LEFT JOIN blob b ON b.id = s.blob
        WHERE s.key IN (SELECT item.value FROM json_list($1) AS item)";
    SELECT_SEGMENTS_AFTER = "SELECT s.key, s.size, s.state, CASE WHEN s.gone_at IS NULL THEN 0 ELSE 1 END, s.blob,
            CASE WHEN b.state = 'quarantined' THEN 1 ELSE 0 END
        FROM segment s LEFT JOIN blob b ON b.id = s.blob
        WHERE s.key > $1 AND s.state <> 'dead' ORDER BY s.key LIMIT $2";
    TAKE_OUT_OF_USE = "UPDATE blob SET state = 'quarantined' WHERE id = $1";
    PUT_TO_USE = "UPDATE blob SET state = CASE WHEN EXISTS (SELECT 1 FROM blob_name n WHERE n.blob = $1)
            THEN 'sealed' ELSE 'open' END
        WHERE id = $1 AND state = 'quarantined'";

    BLOBS_WITHOUT_NAME = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' is sealed, and has no digest' FROM blob b
        WHERE b.state = 'sealed' AND b.merged_into IS NULL
            AND NOT EXISTS (SELECT 1 FROM blob_name n WHERE n.blob = b.id AND SUBSTR(n.digest, 1, 7) = 'sha256:') LIMIT $1";
    MERGED_TWICE = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' was merged into one that was merged itself' FROM blob b
        JOIN blob w ON w.id = b.merged_into WHERE w.merged_into IS NOT NULL LIMIT $1";
    LIVE_WITHOUT_BLOB = "SELECT 'segment ' || key || ' is live, and part of no blob' FROM segment
        WHERE state = 'live' AND blob IS NULL LIMIT $1";
    STAGED_WITHOUT_UPLOAD = "SELECT 'segment ' || s.key || ' is staged for an upload that is gone' FROM segment s
        WHERE s.state = 'staged' AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.id = s.owner_upload AND u.state = 'open')
        LIMIT $1";
    HEADS_WITHOUT_VERSION = "SELECT 'object ' || n.name || '/' || h.key || ' is listed, and its newest version is not there'
        FROM object_head h JOIN namespace n ON n.id = h.ns WHERE h.live = 1 AND NOT EXISTS (SELECT 1 FROM object_version v
            WHERE v.ns = h.ns AND v.key = h.key AND v.seq = h.seq AND v.blob IS NOT NULL) LIMIT $1";
    LEAKED_BLOBS = "SELECT 'blob ' || CAST(b.id AS TEXT) || ' is referenced by nothing, and garbage collection does not know'
        FROM blob b WHERE NOT EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = b.id)
            AND NOT EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = b.id)
            AND NOT EXISTS (SELECT 1 FROM gc_candidate c WHERE c.kind = 'blob' AND c.id = CAST(b.id AS TEXT)) LIMIT $1";
    LEAKED_MEMBERS = "SELECT 'blob ' || CAST(rb.blob AS TEXT) || ' of ' || r.name
            || ' is in no manifest, and garbage collection does not know'
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

/// Each finds rows that contradict each other, and says so in its one column.
static CONTRADICTIONS: [&Statement; 5] =
    [&BLOBS_WITHOUT_NAME, &MERGED_TWICE, &LIVE_WITHOUT_BLOB, &STAGED_WITHOUT_UPLOAD, &HEADS_WITHOUT_VERSION];
/// Each finds what nothing references, and says so in its one column.
static LEAKED: [&Statement; 2] = [&LEAKED_BLOBS, &LEAKED_MEMBERS];

impl Store {
    pub(crate) async fn read_blobs_after(&self, id: i64, limit: u32) -> Result<Vec<BlobRecord>> {
        let rows = SELECT_BLOBS.on(self.dialect).bind(id).bind(i64::from(limit)).fetch_all(&self.pool).await;
        let mut blobs = Vec::new();
        for row in rows.map_err(read_error)? {
            blobs.push(blob_of(&row).map_err(Error::from)?);
        }
        let Some(last) = blobs.last().map(|blob| blob.id) else { return Ok(blobs) };
        let mut found: HashMap<i64, BlobRecord> = blobs.into_iter().map(|blob| (blob.id, blob)).collect();
        for statement in [&SELECT_NAMES, &SELECT_INLINE, &SELECT_BLOB_SEGMENTS] {
            let rows =
                statement.on(self.dialect).bind(id).bind(last).fetch_all(&self.pool).await.map_err(read_error)?;
            for row in rows {
                add(&mut found, statement, &row).map_err(Error::from)?;
            }
        }
        let mut blobs: Vec<_> = found.into_values().collect();
        blobs.sort_unstable_by_key(|blob| blob.id);
        Ok(blobs)
    }

    pub(crate) async fn read_segments(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentRecord>> {
        let rows = SELECT_SEGMENTS.on(self.dialect).bind(json_list(keys)).fetch_all(&self.pool).await;
        rows.map_err(read_error)?.iter().map(|row| record_of(row).map_err(Error::from)).collect()
    }

    pub(crate) async fn read_segments_after(&self, key: &str, limit: u32) -> Result<Vec<SegmentRecord>> {
        let query = SELECT_SEGMENTS_AFTER.on(self.dialect).bind(key.to_owned()).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        rows.iter().map(|row| record_of(row).map_err(Error::from)).collect()
    }

    pub(crate) async fn read_leaked(&self, limit: u32) -> Result<Vec<String>> {
        self.sentences(&LEAKED, limit).await
    }

    async fn sentences(&self, statements: &[&'static Statement], limit: u32) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for statement in statements {
            let rows = statement.on(self.dialect).bind(i64::from(limit)).fetch_all(&self.pool).await;
            for row in rows.map_err(read_error)? {
                found.push(row.try_get(0).map_err(read_error)?);
            }
        }
        Ok(found)
    }

    pub(crate) async fn read_contradictions(&self, limit: u32) -> Result<Vec<String>> {
        let mut found = self.sentences(&CONTRADICTIONS, limit).await?;
        if self.dialect == Dialect::Sqlite {
            let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&self.pool).await.map_err(read_error)?;
            for row in broken {
                let table: String = row.try_get(0).map_err(read_error)?;
                found.push(format!("a row of table {table} names one that is not there"));
            }
        }
        Ok(found)
    }

    /// SQLite's own check of tables and indexes. Postgres has no statement for it.
    pub(crate) async fn read_integrity(&self, limit: u32) -> Result<Vec<String>> {
        if self.dialect != Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let check = sqlx::AssertSqlSafe(format!("PRAGMA integrity_check({limit})"));
        let rows = match sqlx::query_scalar::<_, String>(check).fetch_all(&self.pool).await {
            Ok(rows) => rows,
            // so damaged that the check itself cannot go on
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

    pub(crate) async fn put_to_use(&self, blob: i64, used: bool) -> Result<()> {
        self.write(PutToUse { blob, used }).await
    }
}

fn blob_of(row: &AnyRow) -> Result<BlobRecord, TxError> {
    let state: String = row.try_get(2)?;
    Ok(BlobRecord {
        id: row.try_get(0)?,
        size: to_u64(row.try_get(1)?)?,
        open: state == "open",
        quarantined: state == "quarantined",
        merged: row.try_get::<i64, _>(3)? != 0,
        digests: Vec::new(),
        content: Content::Segments(Vec::new()),
        used_by: row.try_get(4)?,
    })
}

fn add(found: &mut HashMap<i64, BlobRecord>, statement: &'static Statement, row: &AnyRow) -> Result<(), TxError> {
    let Some(blob) = found.get_mut(&row.try_get::<i64, _>(0)?) else { return Ok(()) };
    match statement.name {
        "SELECT_NAMES" => blob.digests.push(row.try_get::<String, _>(1)?.parse()?),
        "SELECT_INLINE" => blob.content = Content::Inline(Bytes::from(row.try_get::<Vec<u8>, _>(1)?)),
        _ => match &mut blob.content {
            Content::Segments(segments) => segments.push(segment_of(row, 1)?),
            Content::Inline(_) => return Err(Error::Internal(format!("blob {} has its bytes twice", blob.id)).into()),
        },
    }
    Ok(())
}

fn record_of(row: &AnyRow) -> Result<SegmentRecord, TxError> {
    Ok(SegmentRecord {
        key: row.try_get::<String, _>(0)?.parse()?,
        size: to_u64(row.try_get(1)?)?,
        dead: row.try_get::<String, _>(2)? == "dead",
        gone: row.try_get::<i64, _>(3)? != 0,
        blob: row.try_get(4)?,
        quarantined: row.try_get::<i64, _>(5)? != 0,
    })
}

/// Takes a damaged blob out of use, or puts one that is whole again back.
struct PutToUse {
    blob: i64,
    used: bool,
}

#[async_trait]
impl Write for PutToUse {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let statement = if self.used { &PUT_TO_USE } else { &TAKE_OUT_OF_USE };
        tx.execute(tx.query(statement).bind(self.blob)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

/// Makes candidates of what leaked.
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
