//! The port of buckets and objects in the database: the counterpart of [`super::metadata`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zot_core::checksum::{Algorithm, Checksums, Kind};
use zot_core::digest::Digest;
use zot_core::render::Rendering;

use crate::condition::WriteCondition;
use crate::error::{ObjectError, Result};
use crate::ports::metadata::{Audit, Content, NewContent, PushRights, Segment};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    #[default]
    Off,
    /// Each put makes a version.
    Enabled,
    /// New puts are unversioned; old versions are kept.
    Suspended,
}

#[derive(Clone, Debug)]
pub struct Bucket {
    /// Never reused.
    pub id: i64,
    pub name: String,
    /// Microseconds since 1970.
    pub created: i64,
    pub versioning: Versioning,
    /// The location that it was created with.
    pub region: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// Stored header: where a website redirects requests of the object.
pub const REDIRECT: &str = "x-amz-website-redirect-location";

/// An object's metadata that the client sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`
    pub content_type: String,
    /// Other standard headers, by lower-case name: `cache-control`, `content-disposition`, `content-encoding`,
    /// `content-language`, `expires`, and [`REDIRECT`].
    pub headers: BTreeMap<String, String>,
    /// User metadata, by lower-case name without the header's prefix.
    pub meta: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// The version id of objects without versioning.
pub const NULL_VERSION: &str = "null";

#[derive(Clone, Debug)]
pub struct ObjectVersion {
    pub key: String,
    /// Its position among the key's versions.
    pub seq: i64,
    /// [`NULL_VERSION`] without versioning.
    pub version_id: String,
    pub latest: bool,
    /// A delete marker; the other fields are empty.
    pub delete_marker: bool,
    /// The blob's id. If the blob was merged, the id of the one it was merged into.
    pub blob: Option<i64>,
    pub etag: String,
    /// In bytes.
    pub size: u64,
    pub attributes: Attributes,
    pub checksums: Checksums,
    /// Sizes of its parts, if it was uploaded in parts.
    pub part_sizes: Option<Vec<u64>>,
    /// Which renderer makes its manifest.
    pub render_version: i64,
    /// None while its digest is not computed.
    pub digest: Option<Digest>,
    /// Microseconds since 1970 when its digest was computed.
    pub digested: Option<i64>,
    /// Microseconds since 1970.
    pub created: i64,
    /// Empty in a listing.
    pub content: Content,
}

impl ObjectVersion {
    /// The digest of its OCI manifest. None while the object's digest is not computed.
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
    pub source: Source,
    pub etag: String,
    pub attributes: Attributes,
    pub checksums: Checksums,
    /// For a copy of an object that was uploaded in parts.
    pub part_sizes: Option<Vec<u64>>,
    /// None while the object's digest is not computed.
    pub manifest_digest: Option<Digest>,
    pub condition: WriteCondition,
    pub rights: PushRights,
    pub audit: Audit,
}

/// The result of a put.
#[derive(Clone, Debug)]
pub struct Put {
    pub version_id: String,
    pub versioning: Versioning,
}

/// Deletes an object, or one version of it.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    pub bucket: String,
    pub key: String,
    /// None: the object.
    pub version_id: Option<String>,
    pub condition: WriteCondition,
    pub audit: Audit,
}

/// The result of a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The deleted version, or the new marker.
    pub version_id: Option<String>,
    /// Whether a marker was created or deleted.
    pub delete_marker: bool,
}

#[derive(Clone, Debug)]
pub struct CreateBucket {
    pub name: String,
    pub region: Option<String>,
    /// Its actor is the owner.
    pub audit: Audit,
}

/// Changes a bucket's settings. Fields that are none stay.
#[derive(Clone, Debug)]
pub struct ConfigureBucket {
    pub name: String,
    pub versioning: Option<Versioning>,
    pub tags: Option<BTreeMap<String, String>>,
    pub audit: Audit,
}

#[derive(Clone, Debug)]
pub struct ListQuery<'a> {
    pub bucket: &'a str,
    pub prefix: &'a str,
    /// Keys that contain it after the prefix are rolled up into one entry.
    pub delimiter: Option<&'a str>,
    /// Only after this key; a rolled-up prefix is skipped as a whole.
    pub after: &'a str,
    /// Most entries.
    pub limit: u32,
}

#[derive(Clone, Debug)]
pub enum Entry {
    Object(Box<ObjectVersion>),
    /// A rolled-up prefix.
    Prefix(String),
}

#[derive(Clone, Debug)]
pub struct VersionsQuery<'a> {
    pub bucket: &'a str,
    pub prefix: &'a str,
    /// Only after this key, and with `after_seq` after that version of it.
    pub after_key: &'a str,
    /// Older than this version of `after_key`.
    pub after_seq: Option<i64>,
    pub limit: u32,
}

#[derive(Clone, Debug)]
pub struct BeginMultipart {
    /// Not guessable.
    pub id: String,
    pub bucket: String,
    pub key: String,
    pub input: MultipartInput,
    /// Seconds until it expires.
    pub lifetime_secs: i64,
    /// Its actor is the initiator.
    pub audit: Audit,
}

/// What a multipart upload was begun with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MultipartInput {
    pub attributes: Attributes,
    pub algorithm: Option<Algorithm>,
    /// How the parts' checksums are combined.
    pub kind: Kind,
}

/// An open multipart upload.
#[derive(Clone, Debug)]
pub struct Multipart {
    pub id: String,
    pub key: String,
    pub actor: String,
    /// Microseconds since 1970.
    pub begun: i64,
    pub input: MultipartInput,
}

/// A durable part.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 to 10,000.
    pub number: i64,
    /// Its `start` has no meaning yet.
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
    /// In order.
    pub parts: Vec<Part>,
    /// The object; its source is ignored.
    pub object: PutObject,
    /// The answer to a repeated request, kept with the upload.
    pub result: String,
}

/// A blob whose digest is not computed yet.
#[derive(Clone, Debug)]
pub struct OpenBlob {
    pub blob: i64,
    pub size: u64,
    /// In order.
    pub segments: Vec<Segment>,
}

/// The database of buckets and objects. *None* and *false* mean absent.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Checks whether the disk reserve allows more content.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    fn admit(&self) -> Result<()>;

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>>;
    /// Up to `limit` buckets after `after`, in byte order.
    async fn buckets(&self, after: &str, limit: u32) -> Result<Vec<Bucket>>;
    /// False if it exists.
    async fn create_bucket(&self, create: CreateBucket) -> Result<bool>;
    /// False if the bucket does not exist.
    async fn configure_bucket(&self, configure: ConfigureBucket) -> Result<bool>;
    /// Deletes an empty bucket. False if it does not exist.
    async fn delete_bucket(&self, name: &str, audit: Audit) -> Result<bool, ObjectError>;

    /// A version of an object, by default the newest. A delete marker is a version.
    async fn object(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectVersion>>;
    async fn put_object(&self, put: PutObject) -> Result<Put, ObjectError>;
    async fn delete_object(&self, delete: DeleteObject) -> Result<Deleted, ObjectError>;
    /// False if the version does not exist.
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

    /// False if the bucket does not exist.
    async fn begin_multipart(&self, begin: BeginMultipart) -> Result<bool, ObjectError>;
    /// An open upload of that bucket and key.
    async fn multipart(&self, bucket: &str, key: &str, id: &str) -> Result<Option<Multipart>>;
    /// The result of a recently completed upload.
    async fn multipart_result(&self, bucket: &str, key: &str, id: &str) -> Result<Option<String>>;
    /// Up to `limit` open uploads after `(key, id)`.
    async fn multiparts(&self, bucket: &str, prefix: &str, after: (&str, &str), limit: u32) -> Result<Vec<Multipart>>;
    /// Adds a part. False if the upload is no longer open; then its segment is dead.
    async fn add_part(&self, upload: &str, part: Part) -> Result<bool>;
    /// The newest revision of each part after `after`.
    async fn parts(&self, upload: &str, after: i64, limit: u32) -> Result<Vec<Part>>;
    /// The parts with these numbers and entity tags, by number. Of several uploads the newest is taken.
    async fn named_parts(&self, upload: &str, named: &[(i64, String)]) -> Result<Vec<Part>>;
    /// Makes the object. None if the upload is no longer open.
    async fn complete_multipart(&self, complete: CompleteMultipart) -> Result<Option<Put>, ObjectError>;
    /// Aborts an upload. False if there is none.
    async fn abort_multipart(&self, bucket: &str, key: &str, id: &str, audit: Audit) -> Result<bool>;

    /// The oldest blob whose digest is not computed yet.
    async fn oldest_open_blob(&self) -> Result<Option<OpenBlob>>;
    async fn open_blob(&self, blob: i64) -> Result<Option<OpenBlob>>;
    /// Sets a blob's digest. If the store has the digest already, its objects move to that blob.
    async fn set_digest(&self, blob: i64, digest: &Digest) -> Result<()>;
    /// Puts a damaged blob in quarantine.
    async fn quarantine(&self, blob: i64) -> Result<()>;
}
