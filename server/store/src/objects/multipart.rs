//! Multipart uploads: parts are append-only rows. The first complete or abort wins (rule A6).

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_core::object_key::LAST;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::metadata::{Audit, Segment};
use zot_domain::ports::objects::{BeginMultipart, CompleteMultipart, Multipart, Part, Put};
use zot_domain::{Error, ObjectError, Result};

use super::put::write_version;
use super::to_json;
use crate::content::{SELECT_SEGMENT, to_i64};
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, json, segment_columns};
use crate::sql::{json_list, statements};
use crate::tx::{Tx, Write};
use crate::uploads::LOCK_UPLOAD;

statements! {
    INSERT_MULTIPART = "INSERT INTO upload (id, kind, target, actor, state, epoch, length, hash_state, tail, expires_at, ns,
            input, begun_at)
        VALUES ($1, 's3', $2, $3, 'open', 0, 0, $4, $4, now_us() + $5 * 1000000, $6, $7, now_us())";
    SELECT_MULTIPART = "SELECT u.id, u.target AS key, u.actor, u.begun_at AS begun, u.input FROM upload u
        JOIN namespace n ON n.id = u.ns
        WHERE u.id = $3 AND n.name = $1 AND u.target = $2 AND u.kind = 's3' AND u.state = 'open' AND u.expires_at > now_us()";
    SELECT_MULTIPART_RESULT = "SELECT u.result FROM upload u JOIN namespace n ON n.id = u.ns
        WHERE u.id = $3 AND n.name = $1 AND u.target = $2 AND u.state = 'done'";
    SELECT_MULTIPARTS = "SELECT u.id, u.target AS key, u.actor, u.begun_at AS begun, u.input FROM upload u
        WHERE u.ns = (SELECT id FROM namespace WHERE name = $1) AND u.kind = 's3' AND u.state = 'open'
            AND u.expires_at > now_us() AND u.target >= $2 AND u.target < $3 AND u.target >= $4
            AND (u.target > $4 OR u.id > $5)
        ORDER BY u.target, u.id LIMIT $6";
    LOCK_MULTIPART = "UPDATE upload SET epoch = epoch + 1 WHERE id = $1 AND state = 'open' AND expires_at > now_us()";
    INSERT_PART = "INSERT INTO part (upload, part_no, rev, segment, etag, size, checksums, created_at)
        VALUES ($1, $2, 1 + COALESCE((SELECT MAX(q.rev) FROM part q WHERE q.upload = $1 AND q.part_no = $2), 0),
            $3, $4, $5, $6, now_us())";
    SELECT_PARTS = concat!("SELECT p.part_no AS number, p.etag, p.checksums, p.created_at AS created, ", segment_columns!(), "
        FROM part p JOIN segment s ON s.key = p.segment
        WHERE p.upload = $1 AND p.part_no > $2
            AND p.rev = (SELECT MAX(q.rev) FROM part q WHERE q.upload = p.upload AND q.part_no = p.part_no)
        ORDER BY p.part_no LIMIT $3");
    /// Each value is a part's number, in 5 digits, and its entity tag. Of several uploads the newest is taken.
    SELECT_NAMED_PARTS = concat!("SELECT p.part_no AS number, p.etag, p.checksums, p.created_at AS created, ", segment_columns!(), "
        FROM json_list($2) AS named
        JOIN part p ON p.upload = $1 AND p.part_no = CAST(SUBSTR(named.value, 1, 5) AS BIGINT)
            AND p.etag = SUBSTR(named.value, 6)
        JOIN segment s ON s.key = p.segment
        WHERE p.rev = (SELECT MAX(q.rev) FROM part q
            WHERE q.upload = p.upload AND q.part_no = p.part_no AND q.etag = p.etag)
        ORDER BY p.part_no");
    FINISH_MULTIPART = "UPDATE upload SET state = 'done', result = $2, expires_at = now_us() + 604800000000
        WHERE id = $1 AND state = 'open'";
    INSERT_OPEN_BLOB = "INSERT INTO blob (size, state, touched_at) VALUES ($1, 'open', now_us()) RETURNING id";
    /// Each value is the start, in 20 digits, and the key.
    CLAIM_PARTS = "UPDATE segment SET state = 'live', blob = $1, owner_upload = NULL,
            start = CAST(SUBSTR(claimed.value, 1, 20) AS BIGINT)
        FROM json_list($2) AS claimed
        WHERE segment.key = SUBSTR(claimed.value, 21) AND segment.owner_upload = $3 AND segment.state = 'staged'";
    DELETE_PARTS = "DELETE FROM part WHERE upload = $1";
    ABORTING = "UPDATE upload SET state = 'aborted' WHERE id = $3 AND ns = (SELECT id FROM namespace WHERE name = $1)
        AND target = $2 AND kind = 's3' AND state = 'open'";
    DELETE_ABORTED = "DELETE FROM upload WHERE id = $1 AND state = 'aborted'";
}

impl Store {
    pub(super) async fn read_multipart(&self, bucket: &str, key: &str, id: &str) -> Result<Option<Multipart>> {
        let query =
            self.reading(&SELECT_MULTIPART).await.bind(bucket.to_owned()).bind(key.to_owned()).bind(id.to_owned());
        self.optional(query).await
    }

    pub(super) async fn read_multipart_result(&self, bucket: &str, key: &str, id: &str) -> Result<Option<String>> {
        let query = self.reading(&SELECT_MULTIPART_RESULT).await.bind(bucket.to_owned()).bind(key.to_owned());
        Ok(self.optional(query.bind(id.to_owned())).await?.map(|(result,)| result))
    }

    pub(super) async fn read_multiparts(
        &self,
        bucket: &str,
        prefix: &str,
        (key, id): (&str, &str),
        limit: u32,
    ) -> Result<Vec<Multipart>> {
        let query = self.reading(&SELECT_MULTIPARTS).await.bind(bucket.to_owned()).bind(prefix.to_owned());
        let query = query.bind(format!("{prefix}{LAST}")).bind(key.to_owned()).bind(id.to_owned());
        self.all(query.bind(i64::from(limit))).await
    }

    pub(super) async fn read_parts(&self, upload: &str, after: i64, limit: u32) -> Result<Vec<Part>> {
        let query = self.reading(&SELECT_PARTS).await.bind(upload.to_owned()).bind(after).bind(i64::from(limit));
        self.all(query).await
    }

    pub(super) async fn read_named_parts(&self, upload: &str, named: &[(i64, String)]) -> Result<Vec<Part>> {
        let named = named.iter().map(|(number, etag)| format!("{number:05}{etag}"));
        self.all(self.reading(&SELECT_NAMED_PARTS).await.bind(upload.to_owned()).bind(json_list(named))).await
    }
}

impl Row for Multipart {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            id: column(row, "id")?,
            key: column(row, "key")?,
            actor: column(row, "actor")?,
            begun: column(row, "begun")?,
            input: json(row, "input")?,
        })
    }
}

impl Row for Part {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            number: column(row, "number")?,
            etag: column(row, "etag")?,
            checksums: json(row, "checksums")?,
            created: column(row, "created")?,
            segment: Segment::read(row)?,
        })
    }
}

#[async_trait]
impl Write<ObjectError> for BeginMultipart {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError<ObjectError>> {
        let bucket = tx.bucket(&self.bucket).await?;
        let insert = tx.query(&INSERT_MULTIPART).bind(self.id.clone()).bind(self.key.clone());
        let insert = insert.bind(self.audit.actor.clone()).bind(Vec::<u8>::new()).bind(self.lifetime_secs);
        tx.execute(insert.bind(bucket.id).bind(to_json(&self.input)?)).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError<ObjectError>> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}

pub(super) struct AddPart {
    pub upload: String,
    pub part: Part,
}

#[async_trait]
impl Write for AddPart {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let segment = &self.part.segment;
        // locks the row, so that a complete or abort sees this part or comes before it
        if tx.execute(tx.query(&LOCK_MULTIPART).bind(self.upload.clone())).await? == 0 {
            tx.insert_dead(segment).await?;
            return Ok(false);
        }
        tx.insert_staged(&self.upload, segment).await?;
        let insert = tx.query(&INSERT_PART).bind(self.upload.clone()).bind(self.part.number);
        let insert = insert.bind(segment.key.to_string()).bind(self.part.etag.clone()).bind(to_i64(segment.size)?);
        tx.execute(insert.bind(to_json(&self.part.checksums)?)).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        // waits for a part that is being committed
        tx.exists(tx.query(&LOCK_UPLOAD).bind(self.upload.clone())).await?;
        let segment = tx.query(&SELECT_SEGMENT).bind(self.part.segment.key.to_string());
        Ok(tx.number(segment).await?.map(|staged| staged == 1))
    }
}

#[async_trait]
impl Write<ObjectError> for CompleteMultipart {
    type Output = Option<Put>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Put>, TxError<ObjectError>> {
        let finish = tx.query(&FINISH_MULTIPART).bind(self.id.clone()).bind(self.result.clone());
        if tx.execute(finish).await? == 0 {
            return Ok(None);
        }
        let bucket = tx.bucket(&self.object.bucket).await?;
        let size: u64 = self.parts.iter().map(|part| part.segment.size).sum();
        let blob = tx.number(tx.query(&INSERT_OPEN_BLOB).bind(to_i64(size)?)).await?.ok_or(Error::Conflict)?;
        let claim = tx.query(&CLAIM_PARTS).bind(blob).bind(json_list(claims(&self.parts))).bind(self.id.clone());
        if tx.execute(claim).await? != self.parts.len() as u64 {
            return Err(Error::Conflict.into());
        }
        // parts are deleted first: their unused segments are dead
        tx.execute(tx.query(&DELETE_PARTS).bind(self.id.clone())).await?;
        tx.mark_session_dead(&self.id).await?;
        write_version(tx, &bucket, &self.object, (blob, None)).await.map(Some)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<Put>>, TxError<ObjectError>> {
        self.object.committed(tx).await.map(|put| put.map(Some))
    }
}

/// Each part's start and key, in a text that both databases sort and split alike.
fn claims(parts: &[Part]) -> Vec<String> {
    let mut start = 0;
    let claim = |part: &Part| {
        let claim = format!("{start:020}{}", part.segment.key);
        start += part.segment.size;
        claim
    };
    parts.iter().map(claim).collect()
}

pub(super) struct AbortMultipart {
    pub bucket: String,
    pub key: String,
    pub id: String,
    pub audit: Audit,
}

#[async_trait]
impl Write for AbortMultipart {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let abort = tx.query(&ABORTING).bind(self.bucket.clone()).bind(self.key.clone()).bind(self.id.clone());
        if tx.execute(abort).await? == 0 {
            return Ok(false);
        }
        tx.execute(tx.query(&DELETE_PARTS).bind(self.id.clone())).await?;
        tx.mark_session_dead(&self.id).await?;
        tx.execute(tx.query(&DELETE_ABORTED).bind(self.id.clone())).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
