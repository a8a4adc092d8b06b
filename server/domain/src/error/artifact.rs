//! Errors of repositories, manifests, blobs and upload sessions.

use zot_core::Invalid;
use zot_core::digest::Digest;

use super::{Error, MayBeCommon};

/// Why a request about an artifact failed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not of this noun alone.
    #[error(transparent)]
    Common(#[from] Error),
    #[error("repository {0} is not known to the registry")]
    NameUnknown(String),
    /// No such manifest or tag in this repository.
    #[error("manifest {0} is not known to the repository")]
    ManifestUnknown(String),
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
    /// A page that cannot be asked for in this way.
    #[error("{0}")]
    PageInvalid(String),
    /// The content has another digest than announced.
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
