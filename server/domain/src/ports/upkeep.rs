//! The database's port for garbage collection, the sweep and `fsck`.

use async_trait::async_trait;
use zot_core::digest::{Algorithm, Digest};

use crate::error::Result;
use crate::ports::content::{Content, SegmentKey};

/// What may have lost its last reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// A blob's membership in a repository.
    Membership,
    Blob,
}

/// An entry that garbage collection checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub kind: CandidateKind,
    /// Its id; the format depends on the kind.
    pub id: String,
    /// When it lost a reference, in microseconds since 1970 by the database's clock.
    pub due_at: i64,
}

/// The result for a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// Removed, with this many bytes that nothing can read any more.
    Removed(u64),
    /// It is referenced, or was removed already.
    Kept,
    /// Touched within the grace period: a later run checks it again.
    TooFresh,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSegment {
    pub key: SegmentKey,
    /// Its bytes in storage, if known.
    pub size: u64,
}

/// What garbage collection would do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Candidates within the grace period; a later run checks them.
    pub later: u64,
    /// Expired uploads, and finished ones whose result is no longer kept.
    pub uploads: u64,
    /// Memberships that no manifest needs.
    pub memberships: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Dead segments whose bytes are due.
    pub segments: u64,
    pub segment_bytes: u64,
    /// Dead segments whose delay is not over.
    pub waiting: u64,
    pub waiting_bytes: u64,
}

/// A blob, for `fsck`.
#[derive(Clone, Debug)]
pub struct BlobRecord {
    pub id: i64,
    /// In bytes.
    pub size: u64,
    /// Its digest is not computed yet.
    pub open: bool,
    pub quarantined: bool,
    /// Another blob has its bytes.
    pub merged: bool,
    /// SHA-256 first, if it has digests.
    pub digests: Vec<Digest>,
    /// An empty list of segments if there are none.
    pub content: Content,
    /// A repository or `bucket/key` that uses it, for messages. None if nothing references it.
    pub used_by: Option<String>,
}

impl BlobRecord {
    /// None while its digest is not computed.
    pub fn sha256(&self) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == Algorithm::Sha256)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    pub key: SegmentKey,
    /// In bytes.
    pub size: u64,
    pub dead: bool,
    /// Its bytes were deleted.
    pub gone: bool,
    pub blob: Option<i64>,
    /// The blob is in quarantine.
    pub quarantined: bool,
}

/// A backup pauses deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: String,
    /// When it expires, in microseconds since 1970.
    pub until: i64,
}

/// The database for background jobs. Each method fails with [`crate::Error::Unavailable`] if the database is
/// unavailable.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Takes or renews a lease and returns its fence, which rises each time. None if another holder has it. A lease
    /// only saves work; nothing else depends on it.
    async fn lease(&self, name: &'static str, holder: &str, lease_secs: i64) -> Result<Option<i64>>;

    /// Releases a lease if it still has this fence.
    async fn release(&self, name: &'static str, holder: &str, fence: i64) -> Result<()>;

    /// The incarnations that the storage's marker may name: the current one, and the next one during a change.
    async fn incarnations(&self) -> Result<(String, Option<String>)>;

    /// Whether the database's physical identity is the recorded one. A restored dump or a copy has another.
    async fn has_recorded_identity(&self) -> Result<bool>;

    /// Records the database's current physical identity.
    async fn record_identity(&self) -> Result<()>;

    /// Notes the next incarnation before the marker is changed.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if this is no longer the current incarnation.
    async fn begin_incarnation(&self, current: &str, next: &str) -> Result<()>;

    /// Makes the next incarnation, which the marker names already, the current one.
    async fn enter_incarnation(&self, next: &str) -> Result<()>;

    /// Active holds, the longest first: backups pause deletion with them.
    async fn holds(&self) -> Result<Vec<Hold>>;

    /// Pauses deletion for this long from now.
    async fn hold(&self, id: &str, secs: i64) -> Result<()>;

    /// Ends a hold. False if it does not exist.
    async fn end_hold(&self, id: &str) -> Result<bool>;

    /// Damage in the database's own files, where it can check them. Empty if there is none.
    async fn integrity(&self, limit: u32) -> Result<Vec<String>>;

    /// Returns unused space to the disk, where the database can.
    async fn shrink(&self) -> Result<()>;

    /// The position of a background pass; 0 at first.
    async fn place(&self, pass: &'static str) -> Result<i64>;

    /// Stores the position of a background pass.
    async fn set_place(&self, pass: &'static str, place: i64) -> Result<()>;

    /// Adds up to `limit` rows of `usage_delta` to their namespaces' totals and deletes them. Returns their number.
    async fn fold_usage(&self, limit: u32) -> Result<u64>;

    /// Expired uploads, open or finished, oldest first.
    async fn expired_uploads(&self, limit: u32) -> Result<Vec<String>>;

    /// Ends an expired upload: its segments are dead. False if it was continued or ended meanwhile.
    async fn expire_upload(&self, id: &str) -> Result<bool>;

    /// Candidates whose grace period is over, oldest first.
    async fn candidates(&self, grace_secs: i64, limit: u32) -> Result<Vec<Candidate>>;

    /// Removes a candidate, unless it is referenced or was touched within the grace period. Its segments are dead;
    /// their bytes are deleted later.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if it was referenced meanwhile, which the rules should have made impossible.
    async fn collect(&self, candidate: &Candidate, grace_secs: i64) -> Result<Collected>;

    /// Segments that have been dead for this long and still have bytes.
    async fn dead_segments(&self, delay_secs: i64, limit: u32) -> Result<Vec<DeadSegment>>;

    /// Notes that the bytes of dead segments are deleted.
    async fn note_gone(&self, keys: &[SegmentKey]) -> Result<()>;

    /// Restarts the delay of dead segments whose bytes could not be deleted.
    async fn postpone(&self, keys: &[SegmentKey]) -> Result<()>;

    /// Forgets segments whose bytes were deleted this long ago. Returns their number.
    async fn forget_gone(&self, secs: i64) -> Result<u64>;

    /// Claims orphans: their rows are dead, so that a later commit fails. Includes segments whose bytes came back after
    /// they were deleted. Returns what was claimed.
    async fn claim_orphans(&self, found: &[DeadSegment]) -> Result<Vec<SegmentKey>>;

    /// What garbage collection would do now.
    async fn forecast(&self, grace_secs: i64, delay_secs: i64) -> Result<Forecast>;

    /// Blobs in ascending order of id.
    async fn blobs_after(&self, id: i64, limit: u32) -> Result<Vec<BlobRecord>>;

    /// The rows of these keys, as far as they exist.
    async fn segments(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentRecord>>;

    /// Segments that should be in storage, in ascending order of key.
    async fn segments_after(&self, key: &str, limit: u32) -> Result<Vec<SegmentRecord>>;

    /// Puts a blob in quarantine: it answers as absent until its bytes are pushed again.
    async fn quarantine_blob(&self, blob: i64) -> Result<()>;

    /// Takes a healed blob out of quarantine.
    async fn restore_blob(&self, blob: i64) -> Result<()>;

    /// Contradictions between rows, each as a sentence; at most `limit` of each kind.
    async fn contradictions(&self, limit: u32) -> Result<Vec<String>>;

    /// Unreferenced rows that garbage collection does not know, each as a sentence; at most `limit` of each kind.
    async fn leaked(&self, limit: u32) -> Result<Vec<String>>;

    /// Makes candidates of unreferenced rows that garbage collection does not know. Returns their number.
    async fn requeue_leaked(&self) -> Result<u64>;
}
