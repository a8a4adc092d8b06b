//! The database, as those see it who look after the store: garbage collection, the sweep and `fsck`.

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

/// Something that garbage collection has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub kind: CandidateKind,
    /// Its id, as the kind writes it.
    pub id: String,
    /// When its reference went, in microseconds since 1970 by the database's clock.
    pub due_at: i64,
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// It is gone, and with it this many bytes that nobody can read any more.
    Removed(u64),
    /// Something references it, or it is gone already.
    Kept,
    /// It was touched within the grace period: it will be looked at again.
    TooFresh,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSegment {
    pub key: SegmentKey,
    /// Bytes of it in storage, as far as they are known.
    pub size: u64,
}

/// What garbage collection would do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// What lost a reference so lately that it is looked at in a later run.
    pub later: u64,
    /// Uploads that have expired, and finished ones whose result nobody asks for any more.
    pub uploads: u64,
    /// Memberships that no manifest needs.
    pub memberships: u64,
    /// Blobs that nothing references.
    pub blobs: u64,
    /// Bytes in those blobs.
    pub blob_bytes: u64,
    /// Dead segments whose bytes may go.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Dead segments whose bytes have to wait.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

/// A blob, for `fsck`.
#[derive(Clone, Debug)]
pub struct BlobRecord {
    pub id: i64,
    /// Length in bytes.
    pub size: u64,
    /// Its bytes do not make up a digest yet.
    pub open: bool,
    /// It was taken out of use.
    pub quarantined: bool,
    /// Another blob has its bytes.
    pub merged: bool,
    /// SHA-256 first, if it has names.
    pub digests: Vec<Digest>,
    /// Its bytes; an empty list of segments if there are none.
    pub content: Content,
    /// Where it is used: a repository or `bucket/key`, for messages; none if nothing references it.
    pub used_by: Option<String>,
}

impl BlobRecord {
    /// Its SHA-256; none while its digest is not computed.
    pub fn sha256(&self) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == Algorithm::Sha256)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    pub key: SegmentKey,
    /// Length in bytes.
    pub size: u64,
    pub dead: bool,
    /// And its bytes were deleted.
    pub gone: bool,
    /// The blob that it is part of.
    pub blob: Option<i64>,
    /// That blob was taken out of use.
    pub quarantined: bool,
}

/// A backup holds deletion up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: String,
    /// When it ends by itself, in microseconds since 1970.
    pub until: i64,
}

/// The database of a store that is looked after.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Takes or renews a lease and gives its fence, which rises each time; none if somebody else holds it. A lease spares
    /// work, it decides nothing.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn lease(&self, name: &'static str, holder: &str, lease_secs: i64) -> Result<Option<i64>>;

    /// Gives a lease back, if it is still held with this fence.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn release(&self, name: &'static str, holder: &str, fence: i64) -> Result<()>;

    /// The incarnations that the storage's marker may name: the current one, and the next while it is being entered.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn incarnations(&self) -> Result<(String, Option<String>)>;

    /// Whether the database's physical identity is the recorded one. That of a restored dump or of a copy is not.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn has_recorded_identity(&self) -> Result<bool>;

    /// Records the database's physical identity as it is now.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn record_identity(&self) -> Result<()>;

    /// Notes the next incarnation, before the marker is changed.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if this is no longer the current incarnation.
    async fn begin_incarnation(&self, current: &str, next: &str) -> Result<()>;

    /// Makes the next incarnation, which the marker names by now, the current one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn enter_incarnation(&self, next: &str) -> Result<()>;

    /// The holds that stand, the longest first: backups hold deletion up.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn holds(&self) -> Result<Vec<Hold>>;

    /// Holds deletion up for that long from now on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn hold(&self, id: &str, secs: i64) -> Result<()>;

    /// Ends a hold; false if there was none of that id.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn end_hold(&self, id: &str) -> Result<bool>;

    /// What is wrong with the database's own files, where it can say; empty if nothing is.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn integrity(&self, limit: u32) -> Result<Vec<String>>;

    /// Gives space that the database does not need any more back to the disk, where it can.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn shrink(&self) -> Result<()>;

    /// Where a background pass goes on; 0 at first.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn place(&self, pass: &'static str) -> Result<i64>;

    /// Notes where a background pass goes on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn set_place(&self, pass: &'static str, place: i64) -> Result<()>;

    /// Adds up to `limit` rows of `usage_delta` to their namespaces' totals and deletes them; gives how many there were.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn fold_usage(&self, limit: u32) -> Result<u64>;

    /// Uploads that have expired, open or finished, oldest first.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn expired_uploads(&self, limit: u32) -> Result<Vec<String>>;

    /// Ends an upload that has expired: its segments are dead. False if somebody went on with it, or ended it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn expire_upload(&self, id: &str) -> Result<bool>;

    /// Candidates whose grace period is over, longest first.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn candidates(&self, grace_secs: i64, limit: u32) -> Result<Vec<Candidate>>;

    /// Removes a candidate, unless something references it or it was touched within the grace period. Bytes stay: its
    /// segments are dead.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if a reference came meanwhile, which the rules should have made impossible.
    async fn collect(&self, candidate: &Candidate, grace_secs: i64) -> Result<Collected>;

    /// Segments that have been dead for that long and whose bytes are still there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn dead_segments(&self, delay_secs: i64, limit: u32) -> Result<Vec<DeadSegment>>;

    /// Notes that the bytes of dead segments are gone.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn note_gone(&self, keys: &[SegmentKey]) -> Result<()>;

    /// Dead segments whose bytes could not be deleted: they wait for the whole delay again.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn postpone(&self, keys: &[SegmentKey]) -> Result<()>;

    /// Forgets segments whose bytes have been gone for that long; gives their number.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn forget_gone(&self, secs: i64) -> Result<u64>;

    /// Claims keys that lie in storage and that no row names: they are dead from now on, whoever comes to name them.
    /// Also those whose bytes are there again after they were deleted. Gives what was claimed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn claim_orphans(&self, found: &[DeadSegment]) -> Result<Vec<SegmentKey>>;

    /// What garbage collection would do now.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn forecast(&self, grace_secs: i64, delay_secs: i64) -> Result<Forecast>;

    /// Blobs by rising id.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn blobs_after(&self, id: i64, limit: u32) -> Result<Vec<BlobRecord>>;

    /// The rows of these keys, as far as there are any.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn segments(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentRecord>>;

    /// Segments that ought to lie in storage, by rising key.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn segments_after(&self, key: &str, limit: u32) -> Result<Vec<SegmentRecord>>;

    /// Takes a blob out of use: it answers as absent until somebody pushes its bytes again.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn quarantine_blob(&self, blob: i64) -> Result<()>;

    /// Puts a blob back into use whose bytes are whole again.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn restore_blob(&self, blob: i64) -> Result<()>;

    /// Rows that contradict each other, each as a sentence; at most `limit` of each sort.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn contradictions(&self, limit: u32) -> Result<Vec<String>>;

    /// What nothing references and garbage collection does not know, each as a sentence; at most `limit` of each sort.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn leaked(&self, limit: u32) -> Result<Vec<String>>;

    /// Makes candidates of what nothing references and garbage collection does not know; gives their number.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn requeue_leaked(&self) -> Result<u64>;
}
