//! Errors of buckets, their policies, objects and multipart uploads.

use zot_core::Invalid;
use zot_core::checksum::Algorithm;

use super::{Error, MayBeCommon};

/// Why a request about a bucket or an object failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not of this noun alone.
    #[error(transparent)]
    Common(#[from] Error),
    /// A bucket without a policy.
    #[error("bucket {0} has no policy")]
    NoSuchPolicy(String),
    #[error("bucket {0} does not exist")]
    NoSuchBucket(String),
    /// A bucket of that name is there.
    #[error("bucket {0} exists already")]
    BucketExists(String),
    /// The bucket holds objects, versions, uploads or repositories.
    #[error("bucket {0} is not empty")]
    BucketNotEmpty(String),
    #[error("object {0} does not exist")]
    NoSuchKey(String),
    /// No such version of the object.
    #[error("version {0} does not exist")]
    NoSuchVersion(String),
    /// The newest version says that the object is deleted; carries that version's id.
    #[error("the object is deleted")]
    DeleteMarker {
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
}

impl From<Invalid> for ObjectError {
    fn from(invalid: Invalid) -> Self {
        Self::Common(invalid.into())
    }
}

impl MayBeCommon for ObjectError {
    fn common(&self) -> Option<&Error> {
        if let Self::Common(error) = self { Some(error) } else { None }
    }
}
