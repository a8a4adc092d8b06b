//! Errors of repositories, manifests, blobs and upload sessions.

use zot_core::Invalid;
use zot_core::digest::Digest;

use super::{Error, MayBeCommon};

/// Why a request about an artifact failed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error(transparent)]
    Common(#[from] Error),
    #[error("repository {0} is not known to the registry")]
    NameUnknown(String),
    #[error("manifest {0} is not known to the repository")]
    ManifestUnknown(String),
    #[error("the manifest references blobs that were not pushed to this repository")]
    ManifestBlobUnknown(Vec<Digest>),
    #[error("blob {0} is not known to the repository")]
    BlobUnknown(Digest),
    /// The session never existed, is of another repository or user, or is finished, cancelled or expired.
    #[error("upload session is not known to the repository; begin a new one")]
    UploadUnknown,
    #[error("{0}")]
    UploadInvalid(String),
    /// The chunk does not begin at the session's end, or another request was faster.
    #[error("the chunk does not continue the upload, which holds {offset} bytes")]
    UploadOutOfOrder {
        /// The session's length in bytes.
        offset: u64,
    },
    #[error("{0}")]
    PageInvalid(String),
    #[error("the content has the digest {actual}, not {wanted}")]
    DigestMismatch { actual: Digest, wanted: Digest },
}

impl From<Invalid> for ArtifactError {
    fn from(invalid: Invalid) -> Self {
        Self::Common(invalid.into())
    }
}

impl MayBeCommon for ArtifactError {
    fn common(&self) -> Option<&Error> {
        if let Self::Common(error) = self { Some(error) } else { None }
    }
}
