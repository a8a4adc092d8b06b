//! The database: all truth about artifacts. Each write is one transaction that ends with its audit row and may be
//! run again by the adapter after a lost connection; each read is one round trip.

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

/// Who did what to which resource, for the audit row of a write.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Key of the row.
    pub request_id: RequestId,
    pub actor: String,
    pub action: AuditAction,
    /// Such as `repository:team/app@sha256:…`.
    pub resource: String,
    /// The id that the client got; of several rows of one request all have it.
    pub request: RequestId,
    /// Where the request came from.
    pub origin: Origin,
    /// What it was sent by.
    pub agent: Agent,
}

impl Audit {
    /// The audit row of a call that changes something; `resource` such as `repository:team/app@sha256:…`.
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

/// A manifest that a repository holds.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    /// The digest under which it was pushed.
    pub digest: Digest,
    pub media_type: String,
    /// Its bytes.
    pub blob: BlobContent,
}

/// A manifest that refers to another one.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// Microseconds since 1970 when it was pushed; with the digest its place in the list.
    pub created: i64,
    pub digest: String,
    pub media_type: String,
    /// Length in bytes.
    pub size: u64,
    /// Its artifact type, if it has one.
    pub artifact_type: Option<String>,
    /// Its annotations, a JSON object.
    pub annotations: Option<String>,
}

/// Which referrers are asked for.
#[derive(Clone, Debug)]
pub struct ReferrersQuery<'a> {
    pub repository: &'a RepositoryName,
    /// Of this manifest, which need not be there.
    pub subject: &'a Digest,
    /// Only of this type.
    pub artifact_type: Option<&'a str>,
    /// Only behind this one, by `created` and `digest`.
    pub after: Option<(i64, String)>,
    /// At most this many.
    pub limit: u32,
}

/// An upload session as it stands.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its id, which nobody can guess.
    pub id: String,
    /// Raised by each append: the fence between replicas.
    pub epoch: i64,
    /// Bytes held.
    pub offset: u64,
    /// Saved hash state over all of them but the tail.
    pub hash_state: Vec<u8>,
    /// The last bytes, too few for a segment of their own.
    pub tail: Bytes,
}

/// Opens an upload session.
#[derive(Clone, Debug)]
pub struct BeginUpload {
    pub id: String,
    /// Where the blob is to go.
    pub repository: RepositoryName,
    /// Who may go on with it.
    pub actor: String,
    /// Hash state over no bytes.
    pub hash_state: Vec<u8>,
    /// Seconds until it is forgotten, counted anew by each append.
    pub lifetime_secs: i64,
    /// Most sessions that the actor may have open.
    pub open_max: i64,
}

/// Takes a chunk into a session, if nobody else did meanwhile.
#[derive(Clone, Debug)]
pub struct AppendUpload {
    /// The session as it was read.
    pub from: Upload,
    /// Bytes held afterwards.
    pub offset: u64,
    /// Hash state over all of them but the tail.
    pub hash_state: Vec<u8>,
    pub tail: Bytes,
    /// The new segment, if one was written.
    pub segment: Option<Segment>,
    /// Identifies this attempt after a lost connection.
    pub request_id: RequestId,
    /// Seconds until the session is forgotten.
    pub lifetime_secs: i64,
}

/// The right to make what a push needs.
#[derive(Clone, Copy, Debug)]
pub struct PushRights {
    /// May make the namespace, if it is not there.
    pub create_namespace: bool,
    pub create: bool,
    pub update: bool,
}

/// Makes a blob a member of a repository.
#[derive(Clone, Debug)]
pub struct CommitBlob {
    pub repository: RepositoryName,
    /// The bytes.
    pub content: NewContent,
    /// The session that this ends, as it was read.
    pub upload: Option<Upload>,
    /// What the pusher may make.
    pub rights: PushRights,
    pub audit: Audit,
}

/// Makes a member of one repository a member of another one too.
#[derive(Clone, Debug)]
pub struct MountBlob {
    pub digest: Digest,
    /// Where it is a member; none: in any repository, where policy allows reading all of them.
    pub from: Option<RepositoryName>,
    /// Where it is to be one.
    pub repository: RepositoryName,
    /// What the pusher may make.
    pub rights: PushRights,
    pub audit: Audit,
}

/// Puts a manifest, and tags upon it.
#[derive(Clone, Debug)]
pub struct PublishManifest {
    pub repository: RepositoryName,
    /// The digest under which it is known from now on.
    pub digest: Digest,
    /// What was read out of it.
    pub manifest: Manifest,
    /// Its bytes.
    pub content: NewContent,
    /// Tags to set, none twice.
    pub tags: Vec<Tag>,
    /// Whether it is put by its tag, and not by its digest.
    pub by_tag: bool,
    /// What the pusher may do.
    pub rights: PushRights,
    pub audit: Audit,
}

impl PublishManifest {
    /// What the audit row says of it, once it is known where the tags pointed before, in their order: the digest, and of
    /// the tag that it was put by, or of each that was named beside the digest, what it was moved away from.
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

/// Removes something from a repository.
#[derive(Clone, Debug)]
pub struct Remove {
    pub repository: RepositoryName,
    /// A tag; or a manifest with all tags upon it; or a blob.
    pub target: RemoveTarget,
    pub audit: Audit,
}

#[derive(Clone, Debug)]
pub enum RemoveTarget {
    /// This tag; the manifest stays.
    Tag(Tag),
    /// This manifest, the tags upon it, and its edges.
    Manifest(Digest),
    /// The membership of this blob.
    Blob(Digest),
}

/// How many rows and bytes there are, for `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub repositories: u64,
    /// Manifests in all repositories.
    pub manifests: u64,
    /// Blobs, each counted once.
    pub blobs: u64,
    /// Their bytes, each counted once.
    pub bytes: u64,
}

/// The database, as the use cases see it. *None* and *false* mean absent.
#[async_trait]
pub trait Metadata: Send + Sync {
    /// Whether the database has room for more: what is taken in must find it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    fn admit(&self) -> Result<()>;

    /// A blob, if it is a member of that repository.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>>;

    /// A manifest, by tag or by the digest under which it was pushed.
    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<StoredManifest>>;

    /// Up to `limit` tags behind `after`, in byte order; none if there is no such repository.
    async fn tags(&self, repository: &RepositoryName, after: &str, limit: u32) -> Result<Option<Vec<String>>>;

    /// Up to `limit` repositories behind `after`, in byte order.
    async fn repositories(&self, after: &str, limit: u32) -> Result<Vec<String>>;

    async fn referrers(&self, query: ReferrersQuery<'_>) -> Result<Vec<Referrer>>;

    /// A session that is open and belongs to that repository and actor.
    async fn upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<Option<Upload>>;

    /// The segments of an open session, in order.
    async fn upload_segments(&self, id: &str) -> Result<Vec<Segment>>;

    async fn begin_upload(&self, upload: BeginUpload) -> Result<()>;

    /// Takes in a chunk; false if the session is no longer as it was read. Then the segment is dead.
    async fn append_upload(&self, append: AppendUpload) -> Result<bool>;

    /// Ends a session without a blob; false if there is none.
    async fn cancel_upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<bool>;

    /// Makes a blob a member; false if the session is no longer as it was read.
    async fn commit_blob(&self, commit: CommitBlob) -> Result<bool>;

    /// Mounts a blob; false if it is no member of the source.
    async fn mount_blob(&self, mount: MountBlob) -> Result<bool>;

    async fn publish_manifest(&self, publish: PublishManifest) -> Result<(), ArtifactError>;

    /// Removes; false if it was not there.
    async fn remove(&self, remove: Remove) -> Result<bool, ArtifactError>;

    async fn totals(&self) -> Result<Totals>;

    /// Whether the database answers and has a schema that this server can serve.
    async fn probe(&self) -> Result<()>;
}
