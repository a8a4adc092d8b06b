//! Reading blobs and manifests. A digest is readable only through a repository that references it.

use bytes::Bytes;
use zot_core::digest::Digest;
use zot_core::manifest::{EMPTY_JSON, EMPTY_JSON_DIGEST};
use zot_core::name::{Reference, RepositoryName};
use zot_core::policy::Resource;
use zot_core::range::ByteRange;

use crate::artifact::Artifacts;
use crate::call::Call;
use crate::error::{ArtifactError, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::metadata::{BlobContent, Content, StoredManifest};
use crate::read::{HasContent, Readable};

impl Artifacts {
    /// Finds a blob in a repository.
    ///
    /// # Errors
    /// [`ArtifactError::BlobUnknown`] if it is no member, whether or not the store has its bytes.
    pub async fn blob(
        &self,
        call: &Call,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Readable<BlobContent>, ArtifactError> {
        let find = async {
            match builtin(digest) {
                Some(builtin) => Ok(builtin),
                None => self
                    .metadata
                    .blob(repository, digest)
                    .await?
                    .ok_or_else(|| ArtifactError::BlobUnknown(digest.clone())),
            }
        };
        self.gate.authorize_read(call, None, Resource::Repository(repository), find).await
    }

    /// Finds a manifest in a repository.
    ///
    /// # Errors
    /// [`ArtifactError::ManifestUnknown`].
    pub async fn manifest(
        &self,
        call: &Call,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Readable<StoredManifest>, ArtifactError> {
        let find = async {
            let manifest = self.metadata.manifest(repository, reference).await?;
            manifest.ok_or_else(|| ArtifactError::ManifestUnknown(reference.to_string()))
        };
        self.gate.authorize_read(call, None, Resource::Repository(repository), find).await
    }

    /// A range of the bytes of a blob or manifest.
    pub fn open(&self, readable: &Readable<impl HasContent>, range: ByteRange) -> ByteStream {
        self.gate.open(readable, range)
    }
}

/// Content that every repository has.
pub(crate) fn builtin(digest: &Digest) -> Option<BlobContent> {
    (digest.as_str() == EMPTY_JSON_DIGEST).then(|| BlobContent {
        size: EMPTY_JSON.len() as u64,
        content: Content::Inline(Bytes::from_static(EMPTY_JSON)),
    })
}
