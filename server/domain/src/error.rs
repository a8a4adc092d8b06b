//! What can go wrong, in the store's own words. Doors map these to a status and a code in one exhaustive `match`.

use zot_core::Invalid;
use zot_core::checksum::Algorithm;
use zot_core::digest::Digest;

/// The result of a use case or a port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Texts are for clients: they hold no internals, and say what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A repository name that the distribution spec does not allow.
    #[error("invalid repository name: {0}")]
    NameInvalid(String),
    /// A tag that the distribution spec does not allow.
    #[error("invalid tag: {0}")]
    TagInvalid(String),
    /// A digest that is malformed, of an unknown algorithm, or does not match the content.
    #[error("{0}")]
    DigestInvalid(String),
    /// No such repository.
    #[error("repository {0} is not known to the registry")]
    NameUnknown(String),
    /// No such manifest or tag in this repository.
    #[error("manifest {0} is not known to the repository")]
    ManifestUnknown(String),
    /// The manifest is not valid.
    #[error("manifest invalid: {0}")]
    ManifestInvalid(String),
    /// The manifest names blobs that are not members of this repository.
    #[error("the manifest references blobs that were not pushed to this repository")]
    ManifestBlobUnknown(Vec<Digest>),
    /// No such blob in this repository.
    #[error("blob {0} is not known to the repository")]
    BlobUnknown(Digest),
    /// No such upload session: never begun here, of another repository or user, finished, cancelled or expired.
    #[error("upload session is not known to the repository; begin a new one")]
    UploadUnknown,
    /// The upload cannot go on in this way.
    #[error("{0}")]
    UploadInvalid(String),
    /// A chunk that does not begin where the session ends, or that another request overtook. Carries the true length.
    #[error("the chunk does not continue the upload, which holds {offset} bytes")]
    UploadOutOfOrder {
        /// Bytes that the session holds.
        offset: u64,
    },
    /// The request body is larger than allowed.
    #[error("the content is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The request body ended early or its length was not as announced.
    #[error("the request body is not as long as announced")]
    BodyIncomplete,
    /// Nothing is served at this path.
    #[error("{0}")]
    NotFound(String),
    /// A page that cannot be asked for in this way.
    #[error("{0}")]
    PageInvalid(String),
    /// A query parameter or header with a value out of its range.
    #[error("{0}")]
    ParameterInvalid(String),
    /// The principal is anonymous and what it asks needs an identity.
    #[error("authentication required")]
    Unauthenticated,
    /// The credentials are wrong, expired or not for this store.
    #[error("{0}")]
    CredentialsInvalid(String),
    /// The credentials were good, until they expired.
    #[error("{0}")]
    CredentialsExpired(String),
    /// The principal may not do this.
    #[error("{0}")]
    Denied(String),
    /// The principal may do this, but its token's scope does not cover it: a token of that scope would.
    #[error("{0}")]
    InsufficientScope(String),
    /// A bucket policy that is malformed, or that this store cannot decide by.
    #[error("the policy is not accepted: {0}")]
    PolicyMalformed(String),
    /// A policy of that id is there.
    #[error("there is a policy {0:?}; change it by PUT")]
    PolicyExists(String),
    /// An account of that name is there.
    #[error("there is an account {0:?}; change it by PUT")]
    AccountExists(String),
    /// What is there stands in its way; says what to do first.
    #[error("{0}")]
    InTheWay(String),
    /// A bucket without a policy.
    #[error("bucket {0} has no policy")]
    NoSuchPolicy(String),
    /// A name that no bucket can have.
    #[error("invalid bucket name: {0}")]
    BucketNameInvalid(String),
    /// No such bucket.
    #[error("bucket {0} does not exist")]
    NoSuchBucket(String),
    /// A bucket of that name is there.
    #[error("bucket {0} exists already")]
    BucketExists(String),
    /// The bucket holds objects, versions, uploads or repositories.
    #[error("bucket {0} is not empty")]
    BucketNotEmpty(String),
    /// A key that no listing could show.
    #[error("{0}")]
    KeyInvalid(String),
    /// An empty key, or one of more than 1,024 bytes.
    #[error("a key has 1 to 1,024 bytes")]
    KeyTooLong,
    /// No such object.
    #[error("object {0} does not exist")]
    NoSuchKey(String),
    /// No such version of the object.
    #[error("version {0} does not exist")]
    NoSuchVersion(String),
    /// The newest version says that the object is deleted; carries that version's id.
    #[error("the object is deleted")]
    DeleteMarker {
        /// The marker's version.
        version_id: String,
        /// The marker itself was asked for.
        asked: bool,
    },
    /// No such multipart upload: never begun, completed, aborted or expired.
    #[error("the multipart upload does not exist; it may have been completed or aborted")]
    NoSuchMultipart,
    /// A part that was not uploaded, or whose entity tag is another one.
    #[error("part {0} was not uploaded with that entity tag")]
    PartInvalid(i64),
    /// Parts out of order, or one twice.
    #[error("parts must be in ascending order of their numbers")]
    PartOrderInvalid,
    /// A part other than the last is below 5 MiB.
    #[error("part {0} is smaller than 5 MiB, which only the last part may be")]
    PartTooSmall(i64),
    /// A condition of the request does not hold.
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    /// The client has it already.
    #[error("not modified")]
    NotModified,
    /// A checksum that is none.
    #[error("{0}")]
    ChecksumInvalid(String),
    /// The bytes have another checksum than announced.
    #[error("{0}")]
    ChecksumMismatch(String),
    /// The body has another SHA-256 than its signature covers.
    #[error("the body does not have the SHA-256 that its signature covers")]
    SignedHashMismatch,
    /// The body has another MD5 than announced.
    #[error("the body does not have the announced MD5")]
    Md5Mismatch,
    /// The announced checksum of this algorithm is malformed.
    #[error("the announced {} checksum is malformed", .0.as_str())]
    ChecksumMalformed(Algorithm),
    /// A copy of an object onto itself that changes neither attributes nor tags.
    #[error("a copy onto itself must change something")]
    CopyUnchanged,
    /// Part of a protocol that this store does not have.
    #[error("{0}")]
    NotImplemented(String),
    /// The store does not do this, or not to this artifact.
    #[error("{0}")]
    Unsupported(String),
    /// Too much of something at once; retry later.
    #[error("{0}")]
    TooManyRequests(String),
    /// The database or the blob storage cannot be reached; retry later.
    #[error("{component} is not available")]
    Unavailable {
        /// `metadata_store`, `storage` or `identity_provider`.
        component: &'static str,
        /// For the log only.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write lost a race in a way that a new attempt resolves.
    #[error("the write met a concurrent change; retry")]
    Conflict,
    /// A fault of the store. The text is for the log, never for clients.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Seconds after which a new attempt may succeed; none where it would fail alike.
    pub fn retry_after_secs(&self) -> Option<u32> {
        matches!(self, Self::Unavailable { .. } | Self::Conflict | Self::TooManyRequests(_)).then_some(5)
    }

    /// An [`Error::Unavailable`] of the database.
    pub fn database(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { component: "metadata_store", source: Box::new(source) }
    }

    /// An [`Error::Unavailable`] of the blob storage.
    pub fn storage(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { component: "storage", source: Box::new(source) }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Repository(why) => Self::NameInvalid(why),
            Invalid::Tag(why) => Self::TagInvalid(why),
            Invalid::Digest(why) => Self::DigestInvalid(why),
            Invalid::Manifest(why) => Self::ManifestInvalid(why),
            Invalid::Bucket(why) => Self::BucketNameInvalid(why),
            Invalid::Key(why) => Self::KeyInvalid(why),
            Invalid::KeyTooLong => Self::KeyTooLong,
            Invalid::Checksum(why) => Self::ChecksumInvalid(why),
            Invalid::Parameter(why) => Self::ParameterInvalid(why),
            Invalid::Policy(why) => Self::PolicyMalformed(why),
            Invalid::HashState => Self::UploadUnknown,
        }
    }
}
