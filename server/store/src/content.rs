//! Referencing bytes: a blob that the store has already (hit) or not yet (miss), and its membership in a repository.
//!
//! Rules A1, A2, B1 and B10 of `docs/STORE.md`: a conditional UPDATE touches the parent row before a reference to it is
//! inserted in the same transaction. A segment's key is inserted once, by the commit or by the sweep.

use zot_core::name::RepositoryName;
use zot_domain::Error;
use zot_domain::ports::metadata::{Content, NewContent, PushRights, Segment};

use crate::error::TxError;
use crate::row::rows;
use crate::sql::statements;
use crate::tx::Tx;

/// A quarter of garbage collection's shortest grace period, in microseconds: a row touched this recently stays safe for
/// longer than any transaction lasts.
pub(crate) const FRESH_US: i64 = 15 * 60 * 1_000_000;

statements! {
    SELECT_REPOSITORY = "SELECT id AS repo, ns FROM repository WHERE name = $1";
    SELECT_NAMESPACE = "SELECT id FROM namespace WHERE name = $1";
    INSERT_NAMESPACE = "INSERT INTO namespace (name, owner, created_at) VALUES ($1, $2, now_us())
        ON CONFLICT (name) DO NOTHING";
    INSERT_REPOSITORY = "INSERT INTO repository (ns, name, created_at) VALUES ($1, $2, now_us())
        ON CONFLICT (name) DO NOTHING";

    SELECT_BLOB_BY_NAME = "SELECT b.id, b.size, CASE WHEN b.state = 'quarantined' THEN 1 ELSE 0 END
        FROM blob_name n JOIN blob b ON b.id = n.blob WHERE n.digest = $1";
    TOUCH_BLOB = "UPDATE blob SET touched_at = now_us() WHERE id = $1 AND touched_at < now_us() - $2 RETURNING id";
    SELECT_BLOB = "SELECT id FROM blob WHERE id = $1";
    INSERT_BLOB = "INSERT INTO blob (size, state, touched_at) VALUES ($1, 'sealed', now_us()) RETURNING id";
    DELETE_BLOB = "DELETE FROM blob WHERE id = $1";
    /// A damaged blob whose bytes are pushed again.
    HEAL_BLOB = "UPDATE blob SET state = 'sealed', touched_at = now_us() WHERE id = $1 AND state = 'quarantined'";
    INSERT_BLOB_NAME = "INSERT INTO blob_name (digest, blob) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    INSERT_BLOB_INLINE = "INSERT INTO blob_inline (blob, bytes) VALUES ($1, $2)";

    INSERT_LIVE_SEGMENT = "INSERT INTO segment (key, state, blob, start, size, sha256)
        VALUES ($1, 'live', $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING";
    INSERT_STAGED_SEGMENT = "INSERT INTO segment (key, state, owner_upload, start, size, sha256)
        VALUES ($1, 'staged', $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING";
    INSERT_DEAD_SEGMENT = "INSERT INTO segment (key, state, start, size, dead_at) VALUES ($1, 'dead', $2, $3, now_us())
        ON CONFLICT (key) DO NOTHING";
    CLAIM_STAGED_SEGMENTS = "UPDATE segment SET state = 'live', blob = $1, owner_upload = NULL
        WHERE owner_upload = $2 AND state = 'staged'";
    KILL_STAGED_SEGMENTS = "UPDATE segment SET state = 'dead', dead_at = now_us(), owner_upload = NULL
        WHERE owner_upload = $1 AND state = 'staged'";

    SELECT_SEGMENT = "SELECT CASE WHEN state = 'dead' THEN 0 ELSE 1 END FROM segment WHERE key = $1";

    INSERT_REPO_BLOB = "INSERT INTO repo_blob (repo, blob, touched_at, manifest_only) VALUES ($1, $2, now_us(), $3)
        ON CONFLICT (repo, blob) DO NOTHING";
    TOUCH_REPO_BLOB = "UPDATE repo_blob SET touched_at = now_us()
        WHERE repo = $1 AND blob = $2 AND touched_at < now_us() - $3 RETURNING blob";
    SELECT_REPO_BLOB = "SELECT blob FROM repo_blob WHERE repo = $1 AND blob = $2";
    /// A push makes the membership independent of the object that it came from.
    OWN_REPO_BLOB = "UPDATE repo_blob SET adopted = 0 WHERE repo = $1 AND blob = $2 AND adopted = 1";
    /// A push of the bytes as a blob makes them one, also where they are a manifest.
    BECOME_BLOB = "UPDATE repo_blob SET manifest_only = 0 WHERE repo = $1 AND blob = $2 AND manifest_only = 1";
    ADD_CANDIDATE = "INSERT INTO gc_candidate (kind, id, due_at) VALUES ($1, $2, now_us())
        ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at";
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RepositoryIds {
    pub repo: i64,
    pub ns: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BlobIds {
    pub blob: i64,
    pub size: i64,
}

/// What bytes are in a repository. A manifest's bytes are no blob of the repository, unless they were also pushed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Blob,
    Manifest,
}

rows! { RepositoryIds { repo, ns } BlobIds { blob, size } }

impl Tx<'_> {
    pub(crate) async fn repository(&mut self, name: &RepositoryName) -> Result<Option<RepositoryIds>, TxError> {
        self.optional(self.query(&SELECT_REPOSITORY).bind(name.to_string())).await
    }

    /// A repository. Creates it and its namespace if the rights suffice.
    pub(crate) async fn ensure_repository(
        &mut self,
        name: &RepositoryName,
        rights: PushRights,
        owner: &str,
    ) -> Result<RepositoryIds, TxError> {
        if let Some(ids) = self.repository(name).await? {
            return Ok(ids);
        }
        let ns = match self.number(self.query(&SELECT_NAMESPACE).bind(name.namespace().to_owned())).await? {
            Some(ns) => ns,
            None if !rights.create_namespace => {
                let namespace = name.namespace();
                return Err(
                    Error::Denied(format!("namespace {namespace} is not there and you may not create it")).into()
                );
            }
            None => {
                let insert = self.query(&INSERT_NAMESPACE).bind(name.namespace().to_owned()).bind(owner.to_owned());
                self.execute(insert).await?;
                let select = self.query(&SELECT_NAMESPACE).bind(name.namespace().to_owned());
                self.number(select).await?.ok_or(Error::Conflict)?
            }
        };
        self.execute(self.query(&INSERT_REPOSITORY).bind(ns).bind(name.to_string())).await?;
        Ok(self.repository(name).await?.ok_or(Error::Conflict)?)
    }

    /// The blob with these bytes: an existing one with their digest, or a new one. `upload` is the session with their
    /// first segments; segments that are not needed are dead afterwards.
    pub(crate) async fn ensure_blob(&mut self, new: &NewContent, upload: Option<&str>) -> Result<BlobIds, TxError> {
        let sha256 = new.digests.sha256.as_str();
        let blob = loop {
            if let Some((blob, damaged)) = self.touched_blob(sha256).await? {
                if !damaged || !self.heal(blob, new, upload).await? {
                    self.mark_dead(new, upload).await?;
                }
                break blob;
            }
            if let Some(blob) = self.insert_blob(new, upload).await? {
                break blob;
            }
        };
        if let Some(sha512) = &new.digests.sha512 {
            self.execute(self.query(&INSERT_BLOB_NAME).bind(sha512.to_string()).bind(blob.blob)).await?;
        }
        Ok(blob)
    }

    /// Touches the blob with that digest, so that garbage collection keeps it during this transaction. Also returns
    /// whether its bytes are damaged.
    async fn touched_blob(&mut self, digest: &str) -> Result<Option<(BlobIds, bool)>, TxError> {
        let select = self.query(&SELECT_BLOB_BY_NAME).bind(digest.to_owned());
        let Some((blob, size, damaged)) = self.optional::<(i64, i64, bool)>(select).await? else { return Ok(None) };
        Ok(self.touch_blob(blob).await?.then_some((BlobIds { blob, size }, damaged)))
    }

    /// Replaces a blob's damaged bytes. False if another transaction did.
    async fn heal(&mut self, blob: BlobIds, new: &NewContent, upload: Option<&str>) -> Result<bool, TxError> {
        if self.execute(self.query(&HEAL_BLOB).bind(blob.blob)).await? == 0 {
            return Ok(false);
        }
        self.drop_bytes(blob.blob).await?;
        self.insert_content(blob.blob, new, upload).await?;
        Ok(true)
    }

    /// Touches a blob. False if it no longer exists.
    pub(crate) async fn touch_blob(&mut self, blob: i64) -> Result<bool, TxError> {
        Ok(self.exists(self.query(&TOUCH_BLOB).bind(blob).bind(FRESH_US)).await?
            || self.exists(self.query(&SELECT_BLOB).bind(blob)).await?)
    }

    /// A new blob. None if another transaction inserted the digest first.
    async fn insert_blob(&mut self, new: &NewContent, upload: Option<&str>) -> Result<Option<BlobIds>, TxError> {
        let size = to_i64(new.size)?;
        let blob = self.number(self.query(&INSERT_BLOB).bind(size)).await?.ok_or(Error::Conflict)?;
        let name = self.query(&INSERT_BLOB_NAME).bind(new.digests.sha256.to_string()).bind(blob);
        if self.execute(name).await? == 0 {
            self.execute(self.query(&DELETE_BLOB).bind(blob)).await?;
            return Ok(None);
        }
        self.insert_content(blob, new, upload).await?;
        Ok(Some(BlobIds { blob, size }))
    }

    async fn insert_content(&mut self, blob: i64, new: &NewContent, upload: Option<&str>) -> Result<(), TxError> {
        match &new.content {
            Content::Inline(bytes) => {
                self.execute(self.query(&INSERT_BLOB_INLINE).bind(blob).bind(bytes.to_vec())).await?;
            }
            Content::Segments(segments) => {
                if let Some(upload) = upload {
                    self.execute(self.query(&CLAIM_STAGED_SEGMENTS).bind(blob).bind(upload.to_owned())).await?;
                }
                for segment in segments {
                    self.insert_live(blob, segment).await?;
                }
            }
        }
        Ok(())
    }

    async fn insert_live(&mut self, blob: i64, segment: &Segment) -> Result<(), TxError> {
        let insert = self.query(&INSERT_LIVE_SEGMENT).bind(segment.key.to_string()).bind(blob);
        let insert = insert.bind(to_i64(segment.start)?).bind(to_i64(segment.size)?);
        let insert = insert.bind(segment.sha256.as_ref().map(ToString::to_string));
        swept(self.execute(insert).await?)
    }

    /// A session's segment, before its blob is known.
    pub(crate) async fn insert_staged(&mut self, upload: &str, segment: &Segment) -> Result<(), TxError> {
        let insert = self.query(&INSERT_STAGED_SEGMENT).bind(segment.key.to_string()).bind(upload.to_owned());
        let insert = insert.bind(to_i64(segment.start)?).bind(to_i64(segment.size)?);
        let insert = insert.bind(segment.sha256.as_ref().map(ToString::to_string));
        swept(self.execute(insert).await?)
    }

    /// Marks segments that nothing needs as dead: the byte deleter finds their rows.
    pub(crate) async fn mark_dead(&mut self, new: &NewContent, upload: Option<&str>) -> Result<(), TxError> {
        if let Some(upload) = upload {
            self.mark_session_dead(upload).await?;
        }
        if let Content::Segments(segments) = &new.content {
            for segment in segments {
                self.insert_dead(segment).await?;
            }
        }
        Ok(())
    }

    /// Marks a session's remaining segments as dead.
    pub(crate) async fn mark_session_dead(&mut self, upload: &str) -> Result<(), TxError> {
        self.execute(self.query(&KILL_STAGED_SEGMENTS).bind(upload.to_owned())).await.map(drop)
    }

    pub(crate) async fn insert_dead(&mut self, segment: &Segment) -> Result<(), TxError> {
        let insert = self.query(&INSERT_DEAD_SEGMENT).bind(segment.key.to_string());
        let insert = insert.bind(to_i64(segment.start)?).bind(to_i64(segment.size)?);
        self.execute(insert).await.map(drop)
    }

    /// Makes a blob a member of a repository, or touches its membership. The blob must have been touched.
    pub(crate) async fn ensure_member(
        &mut self,
        ids: RepositoryIds,
        blob: BlobIds,
        membership: Membership,
    ) -> Result<(), TxError> {
        loop {
            let insert = self.query(&INSERT_REPO_BLOB).bind(ids.repo).bind(blob.blob);
            if self.execute(insert.bind(i64::from(membership == Membership::Manifest))).await? == 1 {
                break;
            }
            if self.touch_member(ids.repo, blob.blob).await? {
                if membership == Membership::Blob {
                    self.execute(self.query(&BECOME_BLOB).bind(ids.repo).bind(blob.blob)).await?;
                }
                let own = self.query(&OWN_REPO_BLOB).bind(ids.repo).bind(blob.blob);
                if self.execute(own).await? == 1 {
                    break;
                }
                return Ok(());
            }
        }
        self.book(ids.ns, blob.size);
        self.add_candidate("repo_blob", &member_id(ids.repo, blob.blob)).await
    }

    /// Touches a membership. False if it no longer exists.
    pub(crate) async fn touch_member(&mut self, repo: i64, blob: i64) -> Result<bool, TxError> {
        let touch = self.query(&TOUCH_REPO_BLOB).bind(repo).bind(blob).bind(FRESH_US);
        Ok(self.exists(touch).await? || self.exists(self.query(&SELECT_REPO_BLOB).bind(repo).bind(blob)).await?)
    }

    /// Adds a candidate: something that may have lost its last reference. Garbage collection checks it after the grace
    /// period.
    pub(crate) async fn add_candidate(&mut self, kind: &'static str, id: &str) -> Result<(), TxError> {
        self.execute(self.query(&ADD_CANDIDATE).bind(kind).bind(id.to_owned())).await.map(drop)
    }
}

/// The id of a membership's candidate.
pub(crate) fn member_id(repo: i64, blob: i64) -> String {
    format!("{repo}/{blob}")
}

/// The sweep claimed the key first: the upload was so slow that the client must repeat it.
fn swept(inserted: u64) -> Result<(), TxError> {
    if inserted == 1 { Ok(()) } else { Err(Error::Conflict.into()) }
}

/// A size or offset for a BIGINT.
pub(crate) fn to_i64(value: u64) -> Result<i64, TxError> {
    i64::try_from(value).map_err(|_| Error::Internal(format!("{value} does not fit into a BIGINT")).into())
}
