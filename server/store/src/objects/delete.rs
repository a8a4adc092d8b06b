//! Deleting objects and versions. With the last version that has a manifest, that manifest's tags and referrers are
//! deleted (rule B12). The bytes are deleted later.

use async_trait::async_trait;
use zot_domain::condition::WriteCondition;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::objects::{Bucket, DeleteObject, Deleted, NULL_VERSION, Versioning};
use zot_domain::{Error, ObjectError};

use super::put::SELECT_LIVE;
use crate::content::{FRESH_US, SELECT_REPOSITORY, TOUCH_BLOB};
use crate::error::TxError;
use crate::removal::remove_manifest;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    DELETE_HEAD = "UPDATE object_head SET live = 0, etag = '', seq = seq + 1
        WHERE ns = $1 AND key = $2 AND live = 1 AND lock_until <= now_us() AND ($3 = '' OR etag = $3) RETURNING seq";
    MARK_HEAD = "INSERT INTO object_head (ns, key, seq, version_id, etag, live) VALUES ($1, $2, 1, $3, '', 0)
        ON CONFLICT (ns, key) DO UPDATE SET seq = object_head.seq + 1, version_id = excluded.version_id, etag = '', live = 0
        WHERE $4 = '' OR (object_head.live = 1 AND object_head.etag = $4) RETURNING seq";
    INSERT_MARKER = "INSERT INTO object_version (ns, key, seq, version_id, etag, size, content_type, headers, meta, tags,
            checksums, render_version, created_at)
        VALUES ($1, $2, $3, $4, '', 0, '', '{}', '{}', '{}', '{\"values\":{}}', 0, now_us())";
    LOCK_HEAD = "UPDATE object_head SET seq = seq WHERE ns = $1 AND key = $2 RETURNING seq";
    TAKE_VERSION = "DELETE FROM object_version WHERE ns = $1 AND key = $2 AND version_id = $3
        RETURNING seq, blob, size, manifest_digest";
    /// The blob of a version that may be replaced or deleted. It is locked before the head, as a put of the same bytes
    /// does.
    TOUCH_BLOB_OF_VERSION = "UPDATE blob SET touched_at = now_us() WHERE touched_at < now_us() - $4
        AND id = (SELECT v.blob FROM object_version v WHERE v.ns = $1 AND v.key = $2 AND v.version_id = $3)";
    SELECT_VERSION_ETAG = "SELECT etag FROM object_version WHERE ns = $1 AND key = $2 AND version_id = $3";
    SELECT_NEWEST = "SELECT seq, version_id, etag, CASE WHEN blob IS NULL THEN 0 ELSE 1 END FROM object_version
        WHERE ns = $1 AND key = $2 ORDER BY seq DESC LIMIT 1";
    SET_HEAD = "UPDATE object_head SET seq = $3, version_id = $4, etag = $5, live = $6 WHERE ns = $1 AND key = $2";
    SELECT_SAME_MANIFEST = "SELECT seq FROM object_version WHERE ns = $1 AND manifest_digest = $2 LIMIT 1";
    /// The object's blobs in the bucket's own repository, unless another object or manifest needs them.
    DELETE_OBJECT_MEMBER = "DELETE FROM repo_blob WHERE repo = $1 AND blob = $2 AND (adopted = 1 OR $4 = 1)
        AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = $1 AND e.blob = $2)
        AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo = $1 AND m.blob = $2)
        AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.ns = $3 AND v.blob = $2)
        RETURNING CASE WHEN adopted = 1 THEN 0 ELSE (SELECT size FROM blob WHERE id = $2) END";
    SELECT_NAMED_BLOB = "SELECT blob FROM blob_name WHERE digest = $1";
    SELECT_REFERRING = "SELECT digest FROM manifest WHERE repo = $1 AND subject_digest = $2 ORDER BY digest";
}

struct Taken {
    seq: i64,
    marker: bool,
}

impl Tx<'_> {
    /// Touches the blob of a version that is about to be deleted. This comes before the head is locked: a put of the
    /// same bytes and digesting lock the blob first. A later version touches its own blob.
    pub(super) async fn touch_blob_of(&mut self, bucket: &Bucket, key: &str, version_id: &str) -> Result<(), TxError> {
        let touch = self.query(&TOUCH_BLOB_OF_VERSION).bind(bucket.id).bind(key.to_owned());
        self.execute(touch.bind(version_id.to_owned()).bind(FRESH_US)).await.map(drop)
    }

    /// Deletes the version of an unversioned bucket. Its blob becomes a candidate; its manifest is deleted with its
    /// last object, unless the manifest is `kept`.
    pub(super) async fn drop_version(
        &mut self,
        bucket: &Bucket,
        key: &str,
        kept: Option<&str>,
        actor: &str,
    ) -> Result<(), TxError> {
        self.take_version(bucket, key, (NULL_VERSION, kept), actor).await.map(drop)
    }

    async fn take_version(
        &mut self,
        bucket: &Bucket,
        key: &str,
        (version_id, kept): (&str, Option<&str>),
        actor: &str,
    ) -> Result<Option<Taken>, TxError> {
        let take = self.query(&TAKE_VERSION).bind(bucket.id).bind(key.to_owned()).bind(version_id.to_owned());
        let taken: Option<(i64, Option<i64>, i64, Option<String>)> = self.optional(take).await?;
        let Some((seq, blob, size, manifest)) = taken else { return Ok(None) };
        if let Some(blob) = blob {
            self.add_candidate("blob", &blob.to_string()).await?;
            self.book(bucket.id, -size);
        }
        if let Some(manifest) = manifest.filter(|manifest| Some(manifest.as_str()) != kept) {
            self.drop_manifest_of_object(bucket, &manifest, blob, actor).await?;
        }
        Ok(Some(Taken { seq, marker: blob.is_none() }))
    }

    /// Deletes the tags and referrers of a manifest without objects.
    async fn drop_manifest_of_object(
        &mut self,
        bucket: &Bucket,
        digest: &str,
        blob: Option<i64>,
        actor: &str,
    ) -> Result<(), TxError> {
        let same = self.query(&SELECT_SAME_MANIFEST).bind(bucket.id).bind(digest.to_owned());
        if self.exists(same).await? {
            return Ok(());
        }
        let own = self.query(&SELECT_REPOSITORY).bind(bucket.name.clone());
        let Some(repo) = self.number(own).await? else { return Ok(()) };
        let mut doomed = vec![digest.to_owned()];
        while let Some(digest) = doomed.pop() {
            let referring = self.query(&SELECT_REFERRING).bind(repo).bind(digest.clone());
            doomed.extend(self.all::<(String,)>(referring).await?.into_iter().map(|(digest,)| digest));
            remove_manifest(self, repo, &digest, actor).await?;
        }
        // nothing leads to the object's or its manifest's bytes any more
        let own = self.number(self.query(&SELECT_NAMED_BLOB).bind(digest.to_owned())).await?;
        for (blob, pushed) in [(blob, 0_i64), (own, 1)] {
            let Some(blob) = blob else { continue };
            let member = self.query(&DELETE_OBJECT_MEMBER).bind(repo).bind(blob).bind(bucket.id).bind(pushed);
            if let Some(booked) = self.number(member).await? {
                self.execute(self.query(&TOUCH_BLOB).bind(blob).bind(FRESH_US)).await?;
                self.add_candidate("blob", &blob.to_string()).await?;
                self.book(bucket.id, -booked);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Write<ObjectError> for DeleteObject {
    type Output = Deleted;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Deleted, TxError<ObjectError>> {
        let bucket = tx.bucket(&self.bucket).await?;
        match (&self.version_id, bucket.versioning) {
            (Some(version), _) => delete_version(tx, &bucket, self, version).await,
            (None, Versioning::Off) => delete_unversioned(tx, &bucket, self).await,
            (None, versioning) => mark(tx, &bucket, self, marker_id(self, versioning)).await,
        }
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Deleted>, TxError<ObjectError>> {
        if !tx.recorded(&self.audit).await? {
            return Ok(None);
        }
        let versioning = tx.bucket(&self.bucket).await?.versioning;
        let marker = self.version_id.is_none() && versioning != Versioning::Off;
        let version_id = self.version_id.clone().or_else(|| marker.then(|| marker_id(self, versioning)));
        Ok(Some(Deleted { version_id, delete_marker: marker }))
    }

    fn demand(&self) -> Demand {
        // without a version it may add a marker
        if self.version_id.is_some() { Demand::Frees } else { Demand::MayGrow }
    }
}

/// The id of a marker: derived from the request, so that a repeated delete makes the same one.
fn marker_id(delete: &DeleteObject, versioning: Versioning) -> String {
    match versioning {
        Versioning::Enabled => delete.audit.request_id.to_string().replace('-', ""),
        Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
    }
}

fn wanted_etag(delete: &DeleteObject) -> String {
    match &delete.condition {
        WriteCondition::Match(etag) => etag.clone(),
        WriteCondition::Always | WriteCondition::Absent => String::new(),
    }
}

/// Deletes an unversioned object. Deleting an absent one succeeds.
async fn delete_unversioned(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    delete: &DeleteObject,
) -> Result<Deleted, TxError<ObjectError>> {
    tx.touch_blob_of(bucket, &delete.key, NULL_VERSION).await?;
    let head = tx.query(&DELETE_HEAD).bind(bucket.id).bind(delete.key.clone()).bind(wanted_etag(delete));
    if tx.number(head).await?.is_none() {
        let live = tx.number(tx.query(&SELECT_LIVE).bind(bucket.id).bind(delete.key.clone())).await? == Some(1);
        return match delete.condition {
            WriteCondition::Match(_) if live => Err(ObjectError::PreconditionFailed.into()),
            WriteCondition::Match(_) => Err(ObjectError::NoSuchKey(delete.key.clone()).into()),
            // a put was committed between the two statements
            _ if live => Err(Error::Conflict.into()),
            _ => Ok(Deleted::default()),
        };
    }
    tx.drop_version(bucket, &delete.key, None, &delete.audit.actor).await?;
    tx.record(&delete.audit).await?;
    Ok(Deleted::default())
}

/// Adds a delete marker; older versions are kept.
async fn mark(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    delete: &DeleteObject,
    version_id: String,
) -> Result<Deleted, TxError<ObjectError>> {
    if version_id == NULL_VERSION {
        tx.touch_blob_of(bucket, &delete.key, NULL_VERSION).await?;
    }
    let head = tx.query(&MARK_HEAD).bind(bucket.id).bind(delete.key.clone()).bind(version_id.clone());
    let seq = tx.number(head.bind(wanted_etag(delete))).await?.ok_or(ObjectError::PreconditionFailed)?;
    if version_id == NULL_VERSION {
        tx.drop_version(bucket, &delete.key, None, &delete.audit.actor).await?;
    }
    let marker = tx.query(&INSERT_MARKER).bind(bucket.id).bind(delete.key.clone()).bind(seq).bind(version_id.clone());
    tx.execute(marker).await?;
    tx.record(&delete.audit).await?;
    Ok(Deleted { version_id: Some(version_id), delete_marker: true })
}

/// Deletes one version permanently. If it was the newest, the next lower one becomes the newest.
async fn delete_version(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    delete: &DeleteObject,
    version: &str,
) -> Result<Deleted, TxError<ObjectError>> {
    let outcome = |marker| Deleted { version_id: Some(version.to_owned()), delete_marker: marker };
    tx.touch_blob_of(bucket, &delete.key, version).await?;
    let lock = tx.query(&LOCK_HEAD).bind(bucket.id).bind(delete.key.clone());
    let Some(head) = tx.number(lock).await? else { return Ok(outcome(false)) };
    if let WriteCondition::Match(wanted) = &delete.condition {
        let select = tx.query(&SELECT_VERSION_ETAG).bind(bucket.id).bind(delete.key.clone()).bind(version.to_owned());
        let (etag,): (String,) =
            tx.optional(select).await?.ok_or_else(|| ObjectError::NoSuchVersion(version.to_owned()))?;
        if etag != *wanted {
            return Err(ObjectError::PreconditionFailed.into());
        }
    }
    let Some(taken) = tx.take_version(bucket, &delete.key, (version, None), &delete.audit.actor).await? else {
        return Ok(outcome(false));
    };
    if taken.seq == head {
        let newest = tx.query(&SELECT_NEWEST).bind(bucket.id).bind(delete.key.clone());
        let newest: Option<(i64, String, String, i64)> = tx.optional(newest).await?;
        let (seq, id, etag, live) = newest.unwrap_or((head, String::new(), String::new(), 0));
        let set = tx.query(&SET_HEAD).bind(bucket.id).bind(delete.key.clone()).bind(seq).bind(id).bind(etag);
        tx.execute(set.bind(live)).await?;
    }
    tx.record(&delete.audit).await?;
    Ok(outcome(taken.marker))
}
