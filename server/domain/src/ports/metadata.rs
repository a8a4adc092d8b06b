//! The port of artifacts in the database. Each write is one transaction that ends with its audit row; the adapter may
//! repeat it after a lost connection. Each read is one round trip.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use zot_core::AuditAction;
use zot_core::digest::Digest;
use zot_core::manifest::Manifest;
use zot_core::name::{Reference, RepositoryName, Tag};

use crate::call::{Agent, Call, Origin, RequestId};
use crate::error::{ArtifactError, Result};

pub use super::content::{BlobContent, Content, INLINE_MAX, NewContent, Segment};

/// The actor, action and resource of a write, for its audit row.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Key of the row.
    pub request_id: RequestId,
    pub actor: String,
    pub action: AuditAction,
    /// Such as `repository:team/app@sha256:…`.
    pub resource: String,
    /// The id that the client got. All rows of one request have it.
    pub request: RequestId,
    pub origin: Origin,
    pub agent: Agent,
}

impl Audit {
    /// The audit row of a write; `resource` such as `repository:team/app@sha256:…`.
    pub fn of(call: &Call, action: AuditAction, resource: String) -> Self {
        Self {
            request_id: call.request_id,
            actor: call.principal.subject.clone(),
            action,
            resource,
            request: call.request_id,
            origin: call.origin,
            agent: call.agent.clone(),
        }
    }
}

/// A manifest in a repository.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    /// The digest under which it was pushed.
    pub digest: Digest,
    pub media_type: String,
    pub blob: BlobContent,
}

/// A manifest that refers to another one.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// Microseconds since 1970; with the digest, its position in the list.
    pub created: i64,
    pub digest: String,
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    pub artifact_type: Option<String>,
    /// A JSON object.
    pub annotations: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ReferrersQuery<'a> {
    pub repository: &'a RepositoryName,
    /// The subject, which may be absent.
    pub subject: &'a Digest,
    pub artifact_type: Option<&'a str>,
    /// Only after this one, by `created` and `digest`.
    pub after: Option<(i64, String)>,
    pub limit: u32,
}

/// An upload session's current state.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Not guessable.
    pub id: String,
    /// The fence between replicas: each append raises it.
    pub epoch: i64,
    /// The session's length in bytes.
    pub offset: u64,
    /// Saved hash state over all bytes except the tail.
    pub hash_state: Vec<u8>,
    /// The last bytes, too few for a segment.
    pub tail: Bytes,
}

#[derive(Clone, Debug)]
pub struct BeginUpload {
    pub id: String,
    pub repository: RepositoryName,
    /// Who may continue it.
    pub actor: String,
    /// Hash state over no bytes.
    pub hash_state: Vec<u8>,
    /// Seconds until it expires; each append restarts them.
    pub lifetime_secs: i64,
    /// Most open sessions of the actor.
    pub open_max: i64,
}

/// Appends a chunk to a session, unless another request changed it.
#[derive(Clone, Debug)]
pub struct AppendUpload {
    /// The session as it was read.
    pub from: Upload,
    /// The new length in bytes.
    pub offset: u64,
    /// Hash state over all bytes except the tail.
    pub hash_state: Vec<u8>,
    pub tail: Bytes,
    /// The new segment, if one was written.
    pub segment: Option<Segment>,
    /// Identifies this attempt after a lost connection.
    pub request_id: RequestId,
    /// Seconds until the session expires.
    pub lifetime_secs: i64,
}

/// The caller's rights in a push.
#[derive(Clone, Copy, Debug)]
pub struct PushRights {
    /// May create the namespace.
    pub create_namespace: bool,
    pub create: bool,
    pub update: bool,
}

#[derive(Clone, Debug)]
pub struct CommitBlob {
    pub repository: RepositoryName,
    pub content: NewContent,
    /// The session that this ends, as it was read.
    pub upload: Option<Upload>,
    pub rights: PushRights,
    pub audit: Audit,
}

/// Makes a member of one repository a member of another one too.
#[derive(Clone, Debug)]
pub struct MountBlob {
    pub digest: Digest,
    /// None: any repository, if policy allows reading all of them.
    pub from: Option<RepositoryName>,
    pub repository: RepositoryName,
    pub rights: PushRights,
    pub audit: Audit,
}

/// Pushes a manifest and its tags.
#[derive(Clone, Debug)]
pub struct PublishManifest {
    pub repository: RepositoryName,
    /// The digest under which it is known.
    pub digest: Digest,
    pub manifest: Manifest,
    pub content: NewContent,
    /// Without duplicates.
    pub tags: Vec<Tag>,
    /// Whether it is pushed by tag, not by digest.
    pub by_tag: bool,
    pub rights: PushRights,
    pub audit: Audit,
}

impl PublishManifest {
    /// The details of the audit row, once the tags' previous targets are known: the digest, and for each tag the digest
    /// that it moved from.
    pub fn details(&self, before: Vec<Option<String>>) -> Value {
        let mut details = json!({"digest": self.digest.to_string()});
        if self.by_tag {
            if let Some(before) = before.into_iter().flatten().next() {
                details["previousDigest"] = json!(before);
            }
        } else if !self.tags.is_empty() {
            let tags = self.tags.iter().zip(before);
            details["tags"] = tags.map(|(tag, before)| (tag.to_string(), json!(before))).collect();
        }
        details
    }
}

#[derive(Clone, Debug)]
pub struct Remove {
    pub repository: RepositoryName,
    /// A tag; a manifest with all its tags; or a blob.
    pub target: RemoveTarget,
    pub audit: Audit,
}

#[derive(Clone, Debug)]
pub enum RemoveTarget {
    /// Only the tag.
    Tag(Tag),
    /// The manifest, its tags and its edges.
    Manifest(Digest),
    /// The blob's membership.
    Blob(Digest),
}

/// Counts for `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub repositories: u64,
    /// Manifests in all repositories.
    pub manifests: u64,
    pub blobs: u64,
    /// Bytes of all blobs, each counted once.
    pub bytes: u64,
}

/// The database of artifacts. *None* and *false* mean absent.
#[async_trait]
pub trait Metadata: Send + Sync {
    /// Checks whether the disk reserve allows more content.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    fn admit(&self) -> Result<()>;

    /// A blob, if it is a member of that repository.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>>;

    /// A manifest, by tag or by the digest under which it was pushed.
    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<StoredManifest>>;

    /// Up to `limit` tags after `after`, in byte order. None if the repository does not exist.
    async fn tags(&self, repository: &RepositoryName, after: &str, limit: u32) -> Result<Option<Vec<String>>>;

    /// Up to `limit` repositories after `after`, in byte order.
    async fn repositories(&self, after: &str, limit: u32) -> Result<Vec<String>>;

    async fn referrers(&self, query: ReferrersQuery<'_>) -> Result<Vec<Referrer>>;

    /// An open session of that repository and actor.
    async fn upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<Option<Upload>>;

    /// The segments of an open session, in order.
    async fn upload_segments(&self, id: &str) -> Result<Vec<Segment>>;

    async fn begin_upload(&self, upload: BeginUpload) -> Result<()>;

    /// Appends a chunk. False if the session changed since it was read; then the segment is dead.
    async fn append_upload(&self, append: AppendUpload) -> Result<bool>;

    /// Cancels a session. False if there is none.
    async fn cancel_upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<bool>;

    /// Makes a blob a member. False if the session changed since it was read.
    async fn commit_blob(&self, commit: CommitBlob) -> Result<bool>;

    /// Mounts a blob. False if it is no member of the source.
    async fn mount_blob(&self, mount: MountBlob) -> Result<bool>;

    async fn publish_manifest(&self, publish: PublishManifest) -> Result<(), ArtifactError>;

    /// False if it did not exist.
    async fn remove(&self, remove: Remove) -> Result<bool, ArtifactError>;

    async fn totals(&self) -> Result<Totals>;

    /// Checks that the database answers and that this server can serve its schema.
    async fn probe(&self) -> Result<()>;
}
