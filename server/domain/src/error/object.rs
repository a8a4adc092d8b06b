//! Errors of buckets, their policies, objects and multipart uploads.

use zot_core::Invalid;
use zot_core::checksum::Algorithm;

use super::{Error, MayBeCommon};

/// Why a request about a bucket or an object failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error(transparent)]
    Common(#[from] Error),
    #[error("bucket {0} has no policy")]
    NoSuchPolicy(String),
    #[error("bucket {0} does not exist")]
    NoSuchBucket(String),
    #[error("bucket {0} exists already")]
    BucketExists(String),
    /// The bucket contains objects, versions, uploads or repositories.
    #[error("bucket {0} is not empty")]
    BucketNotEmpty(String),
    #[error("object {0} does not exist")]
    NoSuchKey(String),
    #[error("version {0} does not exist")]
    NoSuchVersion(String),
    /// The newest version is a delete marker; carries its id.
    #[error("the object is deleted")]
    DeleteMarker {
        version_id: String,
        /// The request named the marker's version.
        asked: bool,
    },
    /// The upload never existed, or is completed, aborted or expired.
    #[error("the multipart upload does not exist; it may have been completed or aborted")]
    NoSuchMultipart,
    #[error("part {0} was not uploaded with that entity tag")]
    PartInvalid(i64),
    /// Parts are out of order or repeated.
    #[error("parts must be in ascending order of their numbers")]
    PartOrderInvalid,
    #[error("part number {0} does not lie between 1 and 10000")]
    PartNumberInvalid(i64),
    #[error("the range is not within the source, which has {0} bytes")]
    RangeBeyondSource(u64),
    #[error("the parts have {0} bytes together, which is not x-amz-mp-object-size")]
    SizeMismatch(u64),
    #[error("part {0} is smaller than 5 MiB, which only the last part may be")]
    PartTooSmall(i64),
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    /// The client has the newest content already.
    #[error("not modified")]
    NotModified,
    #[error("{0}")]
    ChecksumMismatch(String),
    #[error("the body does not have the SHA-256 that its signature covers")]
    SignedHashMismatch,
    #[error("the body does not have the announced MD5")]
    Md5Mismatch,
    #[error("the announced {} checksum is malformed", .0.as_str())]
    ChecksumMalformed(Algorithm),
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
