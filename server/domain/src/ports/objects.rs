//! The database, as the use cases on buckets and objects see it: the counterpart of [`super::metadata`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zot_core::checksum::{Algorithm, Checksums, Kind};
use zot_core::digest::Digest;
use zot_core::render::Rendering;

use crate::condition::WriteCondition;
use crate::error::{ObjectError, Result};
use crate::ports::metadata::{Audit, Content, NewContent, PushRights, Segment};

/// Whether overwritten and deleted objects are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    #[default]
    Off,
    /// Each put makes a version.
    Enabled,
    /// New puts are unversioned; old versions stay.
    Suspended,
}

#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its id, never used again.
    pub id: i64,
    pub name: String,
    /// Microseconds since 1970.
    pub created: i64,
    /// Whether versions are kept.
    pub versioning: Versioning,
    /// The location that it was made with.
    pub region: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What a client says of an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`
    pub content_type: String,
    /// Other standard headers, by lower-case name: `cache-control`, `content-disposition`, `content-encoding`,
    /// `content-language`, `expires`, and where a website redirects to.
    pub headers: BTreeMap<String, String>,
    /// User metadata, by lower-case name without the header's prefix.
    pub meta: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// What clients call the version of an object where none are kept.
pub const NULL_VERSION: &str = "null";

/// A version of an object, as it is read.
#[derive(Clone, Debug)]
pub struct ObjectVersion {
    pub key: String,
    /// Its place among the key's versions.
    pub seq: i64,
    /// What clients call it; [`NULL_VERSION`] where versions are not kept.
    pub version_id: String,
    /// Whether it is the newest one.
    pub latest: bool,
    /// It says that the object is deleted; the rest is empty.
    pub delete_marker: bool,
    /// The blob's id; resolved, where the blob was merged into another one.
    pub blob: Option<i64>,
    pub etag: String,
    /// Length in bytes.
    pub size: u64,
    /// What the client said.
    pub attributes: Attributes,
    pub checksums: Checksums,
    /// Sizes of the parts that it was uploaded in.
    pub part_sizes: Option<Vec<u64>>,
    /// Which renderer makes its manifest.
    pub render_version: i64,
    /// The digest of its bytes, if they are sealed.
    pub digest: Option<Digest>,
    /// Microseconds since 1970 when its digest was computed.
    pub digested: Option<i64>,
    /// Microseconds since 1970.
    pub created: i64,
    /// Its bytes; empty for a listing.
    pub content: Content,
}

impl ObjectVersion {
    /// The digest of its OCI manifest, once its bytes are sealed.
    pub fn manifest_digest(&self) -> Option<Digest> {
        let rendering = Rendering {
            digest: self.digest.as_ref()?.as_str(),
            size: self.size,
            content_type: &self.attributes.content_type,
            key: &self.key,
            version: self.render_version,
        };
        Some(rendering.manifest_digest())
    }
}

/// Where a put's bytes come from.
#[derive(Clone, Debug)]
pub enum Source {
    New(NewContent),
    /// A blob that the caller may read, of this length and digest.
    Blob {
        blob: i64,
        size: u64,
    },
}

#[derive(Clone, Debug)]
pub struct PutObject {
    pub bucket: String,
    pub key: String,
    /// Its bytes.
    pub source: Source,
    pub etag: String,
    /// What the client says.
    pub attributes: Attributes,
    pub checksums: Checksums,
    /// For a copy of an object that was uploaded in parts.
    pub part_sizes: Option<Vec<u64>>,
    /// Digest of its manifest, if the bytes are sealed.
    pub manifest_digest: Option<Digest>,
    pub condition: WriteCondition,
    pub rights: PushRights,
    pub audit: Audit,
}

/// What came of a put.
#[derive(Clone, Debug)]
pub struct Put {
    pub version_id: String,
    /// Whether versions are kept.
    pub versioning: Versioning,
}

/// Deletes an object, or one version of it.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    pub bucket: String,
    pub key: String,
    /// This version; none: the object.
    pub version_id: Option<String>,
    pub condition: WriteCondition,
    pub audit: Audit,
}

/// What came of a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The version deleted, or the marker made.
    pub version_id: Option<String>,
    /// A marker was made or deleted.
    pub delete_marker: bool,
}

#[derive(Clone, Debug)]
pub struct CreateBucket {
    pub name: String,
    pub region: Option<String>,
    /// The audit row; its actor is the owner.
    pub audit: Audit,
}

/// Changes a bucket's settings: what is none stays.
#[derive(Clone, Debug)]
pub struct ConfigureBucket {
    pub name: String,
    pub versioning: Option<Versioning>,
    pub tags: Option<BTreeMap<String, String>>,
    pub audit: Audit,
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct ListQuery<'a> {
    pub bucket: &'a str,
    /// Keys that begin so.
    pub prefix: &'a str,
    /// Keys that hold it behind the prefix are rolled up into one entry.
    pub delimiter: Option<&'a str>,
    /// Behind this key; a rolled-up entry is passed as a whole.
    pub after: &'a str,
    /// At most this many entries.
    pub limit: u32,
}

/// An entry of a listing.
#[derive(Clone, Debug)]
pub enum Entry {
    Object(Box<ObjectVersion>),
    /// Keys that begin so.
    Prefix(String),
}

/// A page of a listing of versions.
#[derive(Clone, Debug)]
pub struct VersionsQuery<'a> {
    pub bucket: &'a str,
    /// Keys that begin so.
    pub prefix: &'a str,
    /// Behind this key, and with `after_seq` behind that version of it.
    pub after_key: &'a str,
    /// Older than this version of `after_key`.
    pub after_seq: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Begins a multipart upload.
#[derive(Clone, Debug)]
pub struct BeginMultipart {
    /// Its id, which nobody can guess.
    pub id: String,
    pub bucket: String,
    pub key: String,
    /// What the object will have.
    pub input: MultipartInput,
    /// Seconds until it is forgotten.
    pub lifetime_secs: i64,
    /// The audit row; its actor is the initiator.
    pub audit: Audit,
}

/// What a multipart upload was begun with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MultipartInput {
    /// What the client says of the object.
    pub attributes: Attributes,
    /// Checksum of the parts.
    pub algorithm: Option<Algorithm>,
    /// How they are put together.
    pub kind: Kind,
}

/// A multipart upload that is open.
#[derive(Clone, Debug)]
pub struct Multipart {
    pub id: String,
    pub key: String,
    pub actor: String,
    /// Microseconds since 1970.
    pub begun: i64,
    /// What it was begun with.
    pub input: MultipartInput,
}

/// A part that is durable.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 to 10,000.
    pub number: i64,
    /// Its segment; `start` has no meaning yet.
    pub segment: Segment,
    /// MD5 in hex.
    pub etag: String,
    pub checksums: Checksums,
    /// Microseconds since 1970; 0 for a new one.
    pub created: i64,
}

/// Makes an object of parts.
#[derive(Clone, Debug)]
pub struct CompleteMultipart {
    pub id: String,
    /// The parts in their order.
    pub parts: Vec<Part>,
    /// The object; its source is not looked at.
    pub object: PutObject,
    /// What a repeated request is answered: kept with the upload.
    pub result: String,
}

/// An open blob to be sealed.
#[derive(Clone, Debug)]
pub struct OpenBlob {
    pub blob: i64,
    pub size: u64,
    /// Its segments in order.
    pub segments: Vec<Segment>,
}

/// The database, as the use cases on buckets and objects see it. *None* and *false* mean absent.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Whether the database has room for more: what is taken in must find it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    fn admit(&self) -> Result<()>;

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>>;
    /// Up to `limit` buckets behind `after`, in byte order.
    async fn buckets(&self, after: &str, limit: u32) -> Result<Vec<Bucket>>;
    /// Makes a bucket; false if it is there.
    async fn create_bucket(&self, create: CreateBucket) -> Result<bool>;
    /// Changes settings; false if there is no such bucket.
    async fn configure_bucket(&self, configure: ConfigureBucket) -> Result<bool>;
    /// Removes an empty bucket; false if there is none.
    async fn delete_bucket(&self, name: &str, audit: Audit) -> Result<bool, ObjectError>;

    /// A version of an object, the newest one if none is named. A delete marker is a version.
    async fn object(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectVersion>>;
    async fn put_object(&self, put: PutObject) -> Result<Put, ObjectError>;
    /// Deletes an object or a version.
    async fn delete_object(&self, delete: DeleteObject) -> Result<Deleted, ObjectError>;
    /// Sets the tags of a version; false if there is none.
    async fn tag_object(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        tags: &BTreeMap<String, String>,
        audit: Audit,
    ) -> Result<bool>;
    /// A page of objects and rolled-up prefixes.
    async fn list(&self, query: ListQuery<'_>) -> Result<Vec<Entry>>;
    /// A page of versions, by key, then newest first.
    async fn list_versions(&self, query: VersionsQuery<'_>) -> Result<Vec<ObjectVersion>>;

    /// Begins a multipart upload; false if there is no such bucket.
    async fn begin_multipart(&self, begin: BeginMultipart) -> Result<bool, ObjectError>;
    /// An open upload of that bucket and key.
    async fn multipart(&self, bucket: &str, key: &str, id: &str) -> Result<Option<Multipart>>;
    /// The result of an upload that was completed lately.
    async fn multipart_result(&self, bucket: &str, key: &str, id: &str) -> Result<Option<String>>;
    /// Up to `limit` open uploads behind `(key, id)`.
    async fn multiparts(&self, bucket: &str, prefix: &str, after: (&str, &str), limit: u32) -> Result<Vec<Multipart>>;
    /// Adds a part; false if the upload is no longer open. Then its segment is dead.
    async fn add_part(&self, upload: &str, part: Part) -> Result<bool>;
    /// The newest revision of each part behind `after`.
    async fn parts(&self, upload: &str, after: i64, limit: u32) -> Result<Vec<Part>>;
    /// Makes the object; none if the upload is no longer open.
    async fn complete_multipart(&self, complete: CompleteMultipart) -> Result<Option<Put>, ObjectError>;
    /// Gives an upload up; false if there is none.
    async fn abort_multipart(&self, bucket: &str, key: &str, id: &str, audit: Audit) -> Result<bool>;

    /// The oldest blob whose digest is not computed yet.
    async fn oldest_open_blob(&self) -> Result<Option<OpenBlob>>;
    /// An open blob by its id.
    async fn open_blob(&self, blob: i64) -> Result<Option<OpenBlob>>;
    /// Names a blob. If the store has the digest already, its objects move onto that blob.
    async fn set_digest(&self, blob: i64, digest: &Digest) -> Result<()>;
    /// Takes a blob out of use whose bytes are not what they were.
    async fn quarantine(&self, blob: i64) -> Result<()>;
}
