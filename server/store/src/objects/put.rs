//! Putting an object: one statement on the head row decides whether the put is allowed and assigns its position among
//! the versions (rules A8, B7).

use async_trait::async_trait;
use zot_core::digest::Digest;
use zot_core::render::{RENDER_VERSION, Rendering};
use zot_domain::condition::WriteCondition;
use zot_domain::ports::metadata::Audit;
use zot_domain::ports::objects::{Bucket, NULL_VERSION, Put, PutObject, Source, Versioning};
use zot_domain::{Error, ObjectError};

use super::to_json;
use crate::content::to_i64;
use crate::error::TxError;
use crate::sql::{Statement, statements};
use crate::tx::{Tx, Write};

statements! {
    PUT_HEAD = "INSERT INTO object_head (ns, key, seq, version_id, etag, live) VALUES ($1, $2, 1, $3, $4, 1)
        ON CONFLICT (ns, key) DO UPDATE SET seq = object_head.seq + 1, version_id = excluded.version_id,
            etag = excluded.etag, live = 1
        WHERE $5 = 1 OR object_head.live = 0 RETURNING seq";
    UPDATE_HEAD = "UPDATE object_head SET seq = seq + 1, version_id = $3, etag = $4 WHERE ns = $1 AND key = $2 AND live = 1
        RETURNING seq";
    UPDATE_MATCHING_HEAD = "UPDATE object_head SET seq = seq + 1, version_id = $3, etag = $4
        WHERE ns = $1 AND key = $2 AND live = 1 AND etag = $5 RETURNING seq";
    SELECT_LIVE = "SELECT live FROM object_head WHERE ns = $1 AND key = $2";
    INSERT_VERSION = "INSERT INTO object_version (ns, key, seq, version_id, blob, etag, size, content_type, headers, meta,
            tags, checksums, part_sizes, render_version, manifest_digest, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now_us())";
    RESOLVE_BLOB = "SELECT COALESCE(merged_into, id), state FROM blob WHERE id = $1";
    /// Waits for concurrent digesting, and makes later digesting wait.
    LOCK_OPEN_BLOB = "UPDATE blob SET touched_at = now_us() WHERE id = $1 RETURNING COALESCE(merged_into, id), state";
    SELECT_DIGEST = "SELECT digest FROM blob_name WHERE blob = $1 AND SUBSTR(digest, 1, 7) = 'sha256:'";
    TAG_VERSION = "UPDATE object_version SET tags = $4
        WHERE ns = (SELECT id FROM namespace WHERE name = $1) AND key = $2 AND version_id = $3";
}

#[async_trait]
impl Write<ObjectError> for PutObject {
    type Output = Put;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Put, TxError<ObjectError>> {
        let bucket = tx.bucket(&self.bucket).await?;
        let (blob, manifest) = match &self.source {
            Source::New(content) => (tx.ensure_blob(content, None).await?.blob, self.manifest_digest.clone()),
            Source::Blob { blob, .. } => copied(tx, self, *blob).await?,
        };
        write_version(tx, &bucket, self, (blob, manifest)).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Put>, TxError<ObjectError>> {
        if !tx.recorded(&self.audit).await? {
            return Ok(None);
        }
        let bucket = tx.bucket(&self.bucket).await?;
        Ok(Some(Put { version_id: version_id(&bucket, self), versioning: bucket.versioning }))
    }
}

/// Touches the source blob of a copy and returns it with the copy's manifest digest. Digesting of the blob waits, or
/// this waits for it: either digesting names the copy too, or the copy takes the digest (rule A9).
async fn copied(tx: &mut Tx<'_>, put: &PutObject, blob: i64) -> Result<(i64, Option<Digest>), TxError<ObjectError>> {
    let gone = || ObjectError::NoSuchKey("the source".to_owned());
    let mut found: Option<(i64, String)> = tx.optional(tx.query(&RESOLVE_BLOB).bind(blob)).await?;
    if found.as_ref().is_some_and(|(_, state)| state == "open") {
        found = tx.optional(tx.query(&LOCK_OPEN_BLOB).bind(blob)).await?;
    }
    let (blob, state) = found.ok_or_else(gone)?;
    if !tx.touch_blob(blob).await? {
        return Err(gone().into());
    }
    if put.manifest_digest.is_some() || state != "sealed" {
        return Ok((blob, put.manifest_digest.clone()));
    }
    // digested since the use case read it
    let digest: Option<(String,)> = tx.optional(tx.query(&SELECT_DIGEST).bind(blob)).await?;
    let Some((digest,)) = digest else { return Ok((blob, None)) };
    let rendering = Rendering {
        digest: &digest,
        size: size_of(put),
        content_type: &put.attributes.content_type,
        key: &put.key,
        version: RENDER_VERSION,
    };
    Ok((blob, Some(rendering.manifest_digest())))
}

/// In bytes.
fn size_of(put: &PutObject) -> u64 {
    match &put.source {
        Source::New(content) => content.size,
        Source::Blob { size, .. } => *size,
    }
}

/// The id of a new version: derived from the request, so that a repeated put makes the same one.
fn version_id(bucket: &Bucket, put: &PutObject) -> String {
    match bucket.versioning {
        Versioning::Enabled => put.audit.request_id.to_string().replace('-', ""),
        Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
    }
}

/// Writes audit, usage, head and version, in this order: the head row is locked as briefly as possible.
pub(super) async fn write_version(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    put: &PutObject,
    (blob, manifest): (i64, Option<Digest>),
) -> Result<Put, TxError<ObjectError>> {
    let size = size_of(put);
    let version_id = version_id(bucket, put);
    if version_id == NULL_VERSION {
        tx.touch_blob_of(bucket, &put.key, NULL_VERSION).await?;
    }
    tx.book(bucket.id, to_i64(size)?);
    tx.record(&put.audit).await?;
    let seq = put_head(tx, bucket.id, put, &version_id).await?;
    if version_id == NULL_VERSION {
        // the same manifest again: its tags and referrers are kept
        let kept = manifest.as_ref().map(Digest::as_str);
        tx.drop_version(bucket, &put.key, kept, &put.audit.actor).await?;
    }
    let attributes = &put.attributes;
    let insert = tx.query(&INSERT_VERSION).bind(bucket.id).bind(put.key.clone()).bind(seq).bind(version_id.clone());
    let insert = insert.bind(blob).bind(put.etag.clone()).bind(to_i64(size)?).bind(attributes.content_type.clone());
    let insert = insert.bind(to_json(&attributes.headers)?).bind(to_json(&attributes.meta)?);
    let insert = insert.bind(to_json(&attributes.tags)?).bind(to_json(&put.checksums)?);
    let insert = insert.bind(put.part_sizes.as_ref().map(to_json).transpose()?).bind(RENDER_VERSION);
    tx.execute(insert.bind(manifest.map(|digest| digest.to_string()))).await?;
    Ok(Put { version_id, versioning: bucket.versioning })
}

/// The head statement: no row means that the condition or the right is missing.
async fn put_head(tx: &mut Tx<'_>, ns: i64, put: &PutObject, version_id: &str) -> Result<i64, TxError<ObjectError>> {
    let rights = put.rights;
    let bind = |tx: &Tx<'_>, statement: &'static Statement| {
        tx.query(statement).bind(ns).bind(put.key.clone()).bind(version_id.to_owned()).bind(put.etag.clone())
    };
    let head = match (&put.condition, rights.create) {
        (WriteCondition::Always, true) => bind(tx, &PUT_HEAD).bind(i64::from(rights.update)),
        (WriteCondition::Always, false) => bind(tx, &UPDATE_HEAD),
        (WriteCondition::Absent, true) => bind(tx, &PUT_HEAD).bind(0_i64),
        (WriteCondition::Match(etag), _) if rights.update => bind(tx, &UPDATE_MATCHING_HEAD).bind(etag.clone()),
        _ => return Err(Error::Denied(format!("no policy allows this put of {}", put.key)).into()),
    };
    if let Some(seq) = tx.number(head).await? {
        return Ok(seq);
    }
    let live = tx.number(tx.query(&SELECT_LIVE).bind(ns).bind(put.key.clone())).await? == Some(1);
    Err(match put.condition {
        WriteCondition::Always => {
            let right = if rights.create { "update" } else { "create" };
            Error::Denied(format!("{} needs the right to {right}", put.key)).into()
        }
        WriteCondition::Match(_) if !live => ObjectError::NoSuchKey(put.key.clone()),
        WriteCondition::Match(_) | WriteCondition::Absent => ObjectError::PreconditionFailed,
    }
    .into())
}

pub(super) struct TagObject {
    pub bucket: String,
    pub key: String,
    pub version_id: String,
    pub tags: String,
    pub audit: Audit,
}

#[async_trait]
impl Write for TagObject {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let set = tx.query(&TAG_VERSION).bind(self.bucket.clone()).bind(self.key.clone()).bind(self.version_id.clone());
        if tx.execute(set.bind(self.tags.clone())).await? == 0 {
            return Ok(false);
        }
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}
