//! Garbage collection in the database: claims candidates one by one, each in a short transaction, and marks their
//! segments as dead. `gc/segments.rs` has segments, `gc/uploads.rs` expired uploads.
//!
//! Rules A2 and B2 of `docs/STORE.md`: a claim is one UPDATE whose condition includes an old `touched_at`, on the row
//! that every writer touches before it adds a reference. Foreign keys are the second defence.

mod forecast;
mod segments;
mod shrink;
mod uploads;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_domain::Error;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::upkeep::{Candidate, CandidateKind, Collected};

use crate::content::{DELETE_BLOB, to_i64};
use crate::error::TxError;
use crate::pool::Store;
use crate::removal::{DELETE_MEMBER, FRESHEN_BLOB};
use crate::row::{Row, column};
use crate::sql::{Statement, statements};
use crate::tx::{Tx, Write};

statements! {
    SELECT_CANDIDATES = "SELECT kind, id, due_at FROM gc_candidate WHERE due_at <= now_us() - $1 * 1000000
        ORDER BY due_at LIMIT $2";
    /// Only as it was read: a candidate that was added again meanwhile is kept.
    DROP_CANDIDATE = "DELETE FROM gc_candidate WHERE kind = $1 AND id = $2 AND due_at = $3";
    REDATE_CANDIDATE = "UPDATE gc_candidate SET due_at = $4 WHERE kind = $1 AND id = $2 AND due_at = $3";

    CLAIM_MEMBER = "UPDATE repo_blob SET touched_at = touched_at
        WHERE repo = $1 AND blob = $2 AND touched_at < now_us() - $3 * 1000000
            AND NOT EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = $1 AND e.blob = $2)
            AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo = $1 AND m.blob = $2)
        RETURNING blob";
    /// Its `touched_at`, whether a manifest needs it, its size and its namespace.
    SELECT_MEMBER_STATE = "SELECT rb.touched_at,
            CASE WHEN EXISTS (SELECT 1 FROM manifest_blob e WHERE e.repo = $1 AND e.blob = $2)
                OR EXISTS (SELECT 1 FROM manifest m WHERE m.repo = $1 AND m.blob = $2) THEN 1 ELSE 0 END,
            b.size, r.ns
        FROM repo_blob rb JOIN blob b ON b.id = rb.blob JOIN repository r ON r.id = rb.repo
        WHERE rb.repo = $1 AND rb.blob = $2";

    CLAIM_BLOB = "UPDATE blob SET touched_at = touched_at WHERE id = $1 AND touched_at < now_us() - $2 * 1000000
            AND NOT EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = $1)
            AND NOT EXISTS (SELECT 1 FROM object_version v WHERE v.blob = $1)
            AND NOT EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = $1)
        RETURNING id";
    SELECT_BLOB_STATE = "SELECT b.touched_at,
            CASE WHEN EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = $1)
                OR EXISTS (SELECT 1 FROM object_version v WHERE v.blob = $1)
                OR EXISTS (SELECT 1 FROM blob m WHERE m.merged_into = $1) THEN 1 ELSE 0 END,
            b.size, b.merged_into
        FROM blob b WHERE b.id = $1";
    KILL_BLOB_SEGMENTS = "UPDATE segment SET state = 'dead', dead_at = now_us(), blob = NULL, owner_upload = NULL
        WHERE blob = $1";
    DELETE_BLOB_NAMES = "DELETE FROM blob_name WHERE blob = $1";
    DELETE_BLOB_INLINE = "DELETE FROM blob_inline WHERE blob = $1";
    SELECT_SHA256 = "SELECT digest FROM blob_name WHERE blob = $1 AND SUBSTR(digest, 1, 7) = 'sha256:'";
}

/// All statements of garbage collection.
pub(crate) fn statements() -> impl Iterator<Item = &'static Statement> {
    [ALL, forecast::ALL, segments::ALL, uploads::ALL].into_iter().flatten().copied()
}

/// A kind as the table spells it.
fn text(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Membership => "repo_blob",
        CandidateKind::Blob => "blob",
    }
}

impl Store {
    pub(crate) async fn read_candidates(&self, grace_secs: i64, limit: u32) -> Result<Vec<Candidate>> {
        let query = SELECT_CANDIDATES.on(self.dialect).bind(grace_secs).bind(i64::from(limit));
        self.all(query).await
    }

    pub(crate) async fn collect_candidate(&self, candidate: &Candidate, grace_secs: i64) -> Result<Collected> {
        self.write(Collect { candidate: candidate.clone(), grace_secs }).await
    }
}

impl Row for Candidate {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let kind = match column::<String>(row, "kind")?.as_str() {
            "repo_blob" => CandidateKind::Membership,
            "blob" => CandidateKind::Blob,
            other => return Err(Error::Internal(format!("a candidate of the unknown kind {other}")).into()),
        };
        Ok(Self { kind, id: column(row, "id")?, due_at: column(row, "due_at")? })
    }
}

/// Checks one candidate, and removes it if nothing needs it.
struct Collect {
    candidate: Candidate,
    grace_secs: i64,
}

#[async_trait]
impl Write for Collect {
    type Output = Collected;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Collected, TxError> {
        match self.candidate.kind {
            CandidateKind::Membership => self.membership(tx).await,
            CandidateKind::Blob => self.blob(tx).await,
        }
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<Collected>, TxError> {
        // a second check finds nothing to remove
        Ok(None)
    }

    fn gives_way(&self) -> bool {
        true
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

impl Collect {
    async fn membership(&self, tx: &mut Tx<'_>) -> Result<Collected, TxError> {
        let (repo, blob) = member_ids(&self.candidate.id)?;
        let select = tx.query(&SELECT_MEMBER_STATE).bind(repo).bind(blob);
        let state: Option<(i64, bool, u64, i64)> = tx.optional(select).await?;
        let Some((touched_at, referenced, size, ns)) = state else { return self.kept(tx).await };
        if referenced {
            return self.kept(tx).await;
        }
        // the blob before the membership: pushes lock them in this order
        tx.execute(tx.query(&FRESHEN_BLOB).bind(blob)).await?;
        let claim = tx.query(&CLAIM_MEMBER).bind(repo).bind(blob).bind(self.grace_secs);
        if !tx.exists(claim).await? {
            return self.too_fresh(tx, touched_at).await;
        }
        let adopted = tx.number(tx.query(&DELETE_MEMBER).bind(repo).bind(blob)).await?;
        tx.add_candidate("blob", &blob.to_string()).await?;
        if adopted == Some(0) {
            // the usage of an object's membership was booked with the object
            tx.book(ns, -to_i64(size)?);
        }
        self.drop_candidate(tx).await?;
        Ok(Collected::Removed(0))
    }

    async fn blob(&self, tx: &mut Tx<'_>) -> Result<Collected, TxError> {
        let id: i64 = self.candidate.id.parse().map_err(|_| malformed(&self.candidate.id))?;
        let found: Option<(i64, bool, u64, Option<i64>)> = tx.optional(tx.query(&SELECT_BLOB_STATE).bind(id)).await?;
        let Some((touched_at, mut referenced, size, merged_into)) = found else { return self.kept(tx).await };
        if let (true, Some(winner)) = (referenced, merged_into) {
            referenced = !repoint(tx, id, winner).await?;
        }
        if referenced {
            return self.kept(tx).await;
        }
        if !tx.exists(tx.query(&CLAIM_BLOB).bind(id).bind(self.grace_secs)).await? {
            return self.too_fresh(tx, touched_at).await;
        }
        if let Some(winner) = merged_into {
            tx.heal_from(id, winner).await?;
        }
        let dead = tx.drop_bytes(id).await?;
        for statement in [&DELETE_BLOB_NAMES, &DELETE_BLOB] {
            tx.execute(tx.query(statement).bind(id)).await?;
        }
        if let Some(winner) = merged_into {
            tx.execute(tx.query(&FRESHEN_BLOB).bind(winner)).await?;
            tx.add_candidate("blob", &winner.to_string()).await?;
        }
        self.drop_candidate(tx).await?;
        // inline bytes were deleted with their row
        Ok(Collected::Removed(if dead > 0 { size } else { 0 }))
    }

    async fn kept(&self, tx: &mut Tx<'_>) -> Result<Collected, TxError> {
        self.drop_candidate(tx).await?;
        Ok(Collected::Kept)
    }

    /// It is checked again once it was not touched for the grace period.
    async fn too_fresh(&self, tx: &mut Tx<'_>, touched_at: i64) -> Result<Collected, TxError> {
        let later = touched_at.max(self.candidate.due_at + 1);
        tx.execute(self.bound(tx, &REDATE_CANDIDATE).bind(later)).await?;
        Ok(Collected::TooFresh)
    }

    async fn drop_candidate(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(self.bound(tx, &DROP_CANDIDATE)).await.map(drop)
    }

    fn bound(&self, tx: &Tx<'_>, statement: &'static Statement) -> crate::tx::Bound {
        let candidate = &self.candidate;
        tx.query(statement).bind(text(candidate.kind)).bind(candidate.id.clone()).bind(candidate.due_at)
    }
}

impl Tx<'_> {
    /// Marks a blob's segments as dead. Returns their number.
    pub(crate) async fn drop_bytes(&mut self, blob: i64) -> Result<u64, TxError> {
        self.execute(self.query(&DELETE_BLOB_INLINE).bind(blob)).await?;
        self.execute(self.query(&KILL_BLOB_SEGMENTS).bind(blob)).await
    }
}

/// Moves copies that were made while the blob was merged (rule A9). True if nothing references it afterwards.
async fn repoint(tx: &mut Tx<'_>, blob: i64, winner: i64) -> Result<bool, TxError> {
    if !tx.touch_blob(winner).await? {
        return Ok(false);
    }
    let digest: Option<(String,)> = tx.optional(tx.query(&SELECT_SHA256).bind(winner)).await?;
    let Some((digest,)) = digest else { return Ok(false) };
    tx.repoint_versions(blob, winner).await?;
    tx.name_versions(winner, &digest).await?;
    Ok(true)
}

fn member_ids(id: &str) -> Result<(i64, i64), TxError> {
    let ids = id.split_once('/').and_then(|(repo, blob)| Some((repo.parse().ok()?, blob.parse().ok()?)));
    ids.ok_or_else(|| malformed(id))
}

fn malformed(id: &str) -> TxError {
    Error::Internal(format!("a candidate has the malformed id {id}")).into()
}
