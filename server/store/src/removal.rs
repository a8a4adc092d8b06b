//! Deleting tags, manifests and memberships. What they referenced is touched and becomes a candidate (rule B2). The
//! bytes are deleted much later.

use async_trait::async_trait;
use serde_json::json;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::metadata::{Remove, RemoveTarget};
use zot_domain::{ArtifactError, Error};

use crate::content::{BlobIds, RepositoryIds, member_id};
use crate::error::TxError;
use crate::sql::{json_list, statements};
use crate::tx::{Bound, Recorded, Tx, Write};

statements! {
    DELETE_TAG = "DELETE FROM tag WHERE repo = $1 AND name = $2 RETURNING seq, digest";
    /// Unless it was moved to another manifest meanwhile.
    DELETE_TAG_OF = "DELETE FROM tag WHERE repo = $1 AND name = $2 AND digest = $3 RETURNING seq, digest";
    CLOSE_TAG_HISTORY = "INSERT INTO tag_history (repo, name, seq, actor, at) VALUES ($1, $2, $3, $4, now_us())";
    /// A manifest's members, and last itself: pushes lock them in this order.
    SELECT_MEMBERS_OF = "SELECT blob, 0 AS own FROM manifest_blob WHERE repo = $1 AND digest = $2
        UNION SELECT blob, 1 FROM manifest WHERE repo = $1 AND digest = $2 ORDER BY own, blob";
    LOCK_MANIFEST = "UPDATE manifest SET touched_at = now_us() WHERE repo = $1 AND digest = $2
        RETURNING blob";
    SELECT_TAGS_OF = "SELECT name FROM tag WHERE repo = $1 AND digest = $2 ORDER BY name";
    DELETE_EDGES = "DELETE FROM manifest_blob WHERE repo = $1 AND digest = $2";
    DELETE_CHILDREN = "DELETE FROM manifest_child WHERE repo = $1 AND digest = $2";
    DELETE_MANIFEST = "DELETE FROM manifest WHERE repo = $1 AND digest = $2";
    FRESHEN_MEMBER = "UPDATE repo_blob SET touched_at = now_us() WHERE repo = $1 AND blob = $2";
    ADD_CANDIDATES = "INSERT INTO gc_candidate (kind, id, due_at) SELECT 'repo_blob', item.value, now_us()
        FROM json_list($1) AS item WHERE 1 = 1 ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at";
    SELECT_MEMBER_BLOB = "SELECT rb.blob, b.size FROM blob_name n JOIN blob b ON b.id = n.blob
        JOIN repo_blob rb ON rb.repo = $1 AND rb.blob = n.blob AND rb.manifest_only = 0 WHERE n.digest = $2";
    SELECT_USER = "SELECT digest FROM manifest_blob WHERE repo = $1 AND blob = $2
        UNION ALL SELECT digest FROM manifest WHERE repo = $1 AND blob = $2 LIMIT 1";
    DELETE_MEMBER = "DELETE FROM repo_blob WHERE repo = $1 AND blob = $2 RETURNING adopted";
    FRESHEN_BLOB = "UPDATE blob SET touched_at = now_us() WHERE id = $1";
}

#[async_trait]
impl Write<ArtifactError> for Remove {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError<ArtifactError>> {
        if let RemoveTarget::Manifest(digest) = &self.target
            && tx.is_object(&self.repository, digest).await?
        {
            return Err(Error::Unsupported("an object's manifest goes with the object; delete that".to_owned()).into());
        }
        let Some(ids) = tx.repository(&self.repository).await? else { return Ok(false) };
        let removed = match &self.target {
            RemoveTarget::Tag(tag) => {
                let before = remove_tag(tx, ids.repo, tag.as_str(), &self.audit.actor).await?;
                before.map(|digest| Some(json!({"previousDigest": digest})))
            }
            RemoveTarget::Manifest(digest) => {
                remove_manifest(tx, ids.repo, digest.as_str(), &self.audit.actor).await?.then_some(None)
            }
            RemoveTarget::Blob(digest) => remove_member(tx, ids, digest.as_str()).await?.then_some(None),
        };
        let Some(details) = removed else { return Ok(false) };
        tx.record(Recorded { audit: &self.audit, details }).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError<ArtifactError>> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

async fn remove_tag(tx: &mut Tx<'_>, repo: i64, name: &str, actor: &str) -> Result<Option<String>, TxError> {
    let delete = tx.query(&DELETE_TAG).bind(repo).bind(name.to_owned());
    close_tag(tx, delete, repo, name, actor).await
}

/// Deletes a tag and adds that to its history. Returns its digest.
async fn close_tag(
    tx: &mut Tx<'_>,
    delete: Bound,
    repo: i64,
    name: &str,
    actor: &str,
) -> Result<Option<String>, TxError> {
    let Some((seq, digest)) = tx.optional::<(i64, String)>(delete).await? else { return Ok(None) };
    let close = tx.query(&CLOSE_TAG_HISTORY).bind(repo).bind(name.to_owned()).bind(seq + 1).bind(actor.to_owned());
    tx.execute(close).await?;
    Ok(Some(digest))
}

/// Deletes a manifest with all its tags. Locks memberships, manifest and tags in the order in which a push does, so
/// that the two never deadlock.
pub(crate) async fn remove_manifest(tx: &mut Tx<'_>, repo: i64, digest: &str, actor: &str) -> Result<bool, TxError> {
    let mut members = Vec::new();
    for (blob,) in tx.all(tx.query(&SELECT_MEMBERS_OF).bind(repo).bind(digest.to_owned())).await? {
        tx.execute(tx.query(&FRESHEN_MEMBER).bind(repo).bind(blob)).await?;
        members.push(blob);
    }
    if !tx.exists(tx.query(&LOCK_MANIFEST).bind(repo).bind(digest.to_owned())).await? {
        return Ok(false);
    }
    if members.is_empty() {
        // it was pushed between the two statements
        return Err(Error::Conflict.into());
    }
    for (name,) in tx.all::<(String,)>(tx.query(&SELECT_TAGS_OF).bind(repo).bind(digest.to_owned())).await? {
        let delete = tx.query(&DELETE_TAG_OF).bind(repo).bind(name.clone()).bind(digest.to_owned());
        close_tag(tx, delete, repo, &name, actor).await?;
    }
    tx.execute(tx.query(&DELETE_EDGES).bind(repo).bind(digest.to_owned())).await?;
    tx.execute(tx.query(&DELETE_CHILDREN).bind(repo).bind(digest.to_owned())).await?;
    tx.execute(tx.query(&DELETE_MANIFEST).bind(repo).bind(digest.to_owned())).await?;
    let candidates = json_list(members.iter().map(|blob| member_id(repo, *blob)));
    tx.execute(tx.query(&ADD_CANDIDATES).bind(candidates)).await?;
    Ok(true)
}

async fn remove_member(tx: &mut Tx<'_>, ids: RepositoryIds, digest: &str) -> Result<bool, TxError> {
    let select = tx.query(&SELECT_MEMBER_BLOB).bind(ids.repo).bind(digest.to_owned());
    let Some(BlobIds { blob, size }) = tx.optional(select).await? else { return Ok(false) };
    let user = tx.query(&SELECT_USER).bind(ids.repo).bind(blob);
    if let Some((user,)) = tx.optional::<(String,)>(user).await? {
        return Err(Error::Unsupported(format!("manifest {user} references the blob; delete that first")).into());
    }
    // the blob before the membership: pushes lock them in this order
    tx.execute(tx.query(&FRESHEN_BLOB).bind(blob)).await?;
    // a concurrent manifest breaks the foreign key, and the transaction is repeated
    let Some(adopted) = tx.number(tx.query(&DELETE_MEMBER).bind(ids.repo).bind(blob)).await? else {
        return Ok(false);
    };
    tx.add_candidate("blob", &blob.to_string()).await?;
    if adopted == 0 {
        // the usage of an object's membership was booked with the object
        tx.book(ids.ns, -size);
    }
    Ok(true)
}
