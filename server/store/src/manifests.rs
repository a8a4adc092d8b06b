//! Pushing a manifest: touches its blobs' memberships, then writes the manifest, its edges, its tags, and last the
//! audit row, which has the tags' previous targets (rules A7, A8, B1).

use std::collections::BTreeMap;

use async_trait::async_trait;
use zot_core::Invalid;
use zot_core::digest::Digest;
use zot_core::name::Tag;
use zot_domain::ports::metadata::PublishManifest;
use zot_domain::{ArtifactError, Error};

use crate::content::{FRESH_US, Membership, to_i64};
use crate::error::TxError;
use crate::sql::{json_list, statements};
use crate::tx::{Recorded, Tx, Write};

statements! {
    /// The plus stops SQLite from scanning all members and reading the list again for each of them.
    SELECT_MEMBERS = "SELECT n.digest, rb.blob, b.size, CASE WHEN rb.touched_at < now_us() - $3 THEN 1 ELSE 0 END
        FROM json_list($2) AS wanted JOIN blob_name n ON n.digest = wanted.value
        JOIN repo_blob rb ON rb.repo = $1 AND rb.blob = +n.blob AND rb.manifest_only = 0
        JOIN blob b ON b.id = rb.blob AND b.state <> 'quarantined'";
    INSERT_MANIFEST = "INSERT INTO manifest (repo, digest, blob, media_type, artifact_type, subject_digest, annotations,
            created_at, touched_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, now_us(), now_us())
        ON CONFLICT (repo, digest) DO UPDATE SET touched_at = excluded.touched_at";
    INSERT_MANIFEST_BLOBS = "INSERT INTO manifest_blob (repo, digest, blob)
        SELECT $1, $2, CAST(edge.value AS BIGINT) FROM json_list($3) AS edge WHERE 1 = 1 ON CONFLICT DO NOTHING";
    INSERT_MANIFEST_CHILDREN = "INSERT INTO manifest_child (repo, digest, child_digest)
        SELECT $1, $2, edge.value FROM json_list($3) AS edge WHERE 1 = 1 ON CONFLICT DO NOTHING";
    PUT_TAG = "INSERT INTO tag (repo, name, digest, seq, updated_at)
        VALUES ($1, $2, $3, 1 + COALESCE((SELECT MAX(h.seq) FROM tag_history h WHERE h.repo = $1 AND h.name = $2), 0),
            now_us())
        ON CONFLICT (repo, name) DO UPDATE SET digest = excluded.digest, seq = tag.seq + 1, updated_at = excluded.updated_at
        WHERE $4 = 1 OR tag.digest = excluded.digest RETURNING seq";
    MOVE_TAG = "UPDATE tag SET digest = $3, seq = seq + 1, updated_at = now_us() WHERE repo = $1 AND name = $2
        RETURNING seq";
    /// A null digest means that the tag was deleted.
    SELECT_TAG_BEFORE = "SELECT digest FROM tag_history WHERE repo = $1 AND name = $2 AND seq = $3";
    INSERT_TAG_HISTORY = "INSERT INTO tag_history (repo, name, seq, digest, actor, at)
        VALUES ($1, $2, $3, $4, $5, now_us()) ON CONFLICT (repo, name, seq) DO NOTHING";
}

#[async_trait]
impl Write<ArtifactError> for PublishManifest {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError<ArtifactError>> {
        let ids = tx.ensure_repository(&self.repository, self.rights, &self.audit.actor).await?;
        if self.repository.is_bucket() {
            tx.lock_object(ids.ns, &self.digest).await?;
            let wanted: Vec<&Digest> = self.manifest.blobs.iter().map(|blob| &blob.digest).collect();
            tx.adopt_object_blobs(ids.repo, ids.ns, &wanted).await?;
        }
        let members = members(self, tx, ids.repo).await?;
        let own = tx.ensure_blob(&self.content, None).await?;
        tx.ensure_member(ids, own, Membership::Manifest).await?;
        insert(self, tx, ids.repo, own.blob).await?;
        if !members.is_empty() {
            let edges = tx.query(&INSERT_MANIFEST_BLOBS).bind(ids.repo).bind(self.digest.to_string());
            tx.execute(edges.bind(json_list(members))).await?;
        }
        if !self.manifest.children.is_empty() {
            let edges = tx.query(&INSERT_MANIFEST_CHILDREN).bind(ids.repo).bind(self.digest.to_string());
            tx.execute(edges.bind(json_list(&self.manifest.children))).await?;
        }
        let mut before = Vec::new();
        for tag in &self.tags {
            before.push(put_tag(self, tx, ids.repo, tag).await?);
        }
        Ok(tx.record(Recorded { audit: &self.audit, details: Some(self.details(before)) }).await?)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<()>, TxError<ArtifactError>> {
        Ok(tx.recorded(&self.audit).await?.then_some(()))
    }
}

/// The blobs that the manifest references. All are members of the repository and are touched.
async fn members(publish: &PublishManifest, tx: &mut Tx<'_>, repo: i64) -> Result<Vec<i64>, TxError<ArtifactError>> {
    let wanted: BTreeMap<&Digest, u64> = publish.manifest.blobs.iter().map(|d| (&d.digest, d.size)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let select = tx.query(&SELECT_MEMBERS).bind(repo).bind(json_list(wanted.keys())).bind(FRESH_US);
    let mut found = BTreeMap::new();
    for (digest, blob, size, stale) in tx.all::<(String, i64, i64, bool)>(select).await? {
        found.insert(digest, (blob, size, stale));
    }
    let mut unknown = Vec::new();
    let mut members = BTreeMap::new();
    for (digest, said) in wanted {
        match found.get(digest.as_str()) {
            None => unknown.push(digest.clone()),
            Some((_, size, _)) if *size != to_i64(said)? => {
                let why = format!("{digest} has {size} bytes, but its descriptor says {said}");
                return Err(Invalid::Manifest(why).into());
            }
            Some((blob, _, stale)) => {
                members.insert(*blob, *stale);
            }
        }
    }
    // sorted by id: every writer locks them in this order
    for (blob, stale) in &members {
        if *stale && !tx.touch_member(repo, *blob).await? {
            return Err(Error::Conflict.into());
        }
    }
    if unknown.is_empty() {
        Ok(members.into_keys().collect())
    } else {
        Err(ArtifactError::ManifestBlobUnknown(unknown).into())
    }
}

async fn insert(publish: &PublishManifest, tx: &mut Tx<'_>, repo: i64, blob: i64) -> Result<(), TxError> {
    let manifest = &publish.manifest;
    let annotations = (!manifest.annotations.is_empty())
        .then(|| serde_json::to_string(&manifest.annotations))
        .transpose()
        .map_err(|error| Error::Internal(format!("annotations: {error}")))?;
    let insert = tx.query(&INSERT_MANIFEST).bind(repo).bind(publish.digest.to_string()).bind(blob);
    let insert = insert.bind(manifest.media_type.clone()).bind(manifest.artifact_type.clone());
    let insert = insert.bind(manifest.subject.as_ref().map(ToString::to_string)).bind(annotations);
    tx.execute(insert).await.map(drop)
}

/// Sets a tag if the pusher may: the row itself decides whether this creates or updates. Returns the digest that it
/// moved from, if any.
async fn put_tag(publish: &PublishManifest, tx: &mut Tx<'_>, repo: i64, tag: &Tag) -> Result<Option<String>, TxError> {
    let digest = publish.digest.to_string();
    let put = if publish.rights.create {
        let put = tx.query(&PUT_TAG).bind(repo).bind(tag.to_string()).bind(digest.clone());
        put.bind(i64::from(publish.rights.update))
    } else {
        tx.query(&MOVE_TAG).bind(repo).bind(tag.to_string()).bind(digest.clone())
    };
    let Some(seq) = tx.number(put).await? else {
        let right = if publish.rights.create { "update" } else { "create" };
        return Err(Error::Denied(format!("tag {tag} needs the right to {right}")).into());
    };
    let history = tx.query(&INSERT_TAG_HISTORY).bind(repo).bind(tag.to_string()).bind(seq).bind(digest.clone());
    if tx.execute(history.bind(publish.audit.actor.clone())).await? != 1 {
        // the tag was deleted while this waited, which changed its history
        return Err(Error::Conflict.into());
    }
    if seq == 1 {
        return Ok(None);
    }
    // the tag's row is locked, so its history is complete
    let before = tx.query(&SELECT_TAG_BEFORE).bind(repo).bind(tag.to_string()).bind(seq - 1);
    let before = tx.optional::<(Option<String>,)>(before).await?.and_then(|(digest,)| digest);
    Ok(before.filter(|before| *before != digest))
}
