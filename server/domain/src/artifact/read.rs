//! Reading blobs and manifests. A digest is readable only through a repository that references it.

use bytes::Bytes;
use zot_core::action::Action;
use zot_core::digest::Digest;
use zot_core::manifest::{EMPTY_JSON, EMPTY_JSON_DIGEST};
use zot_core::name::{Reference, RepositoryName};
use zot_core::range::ByteRange;

use crate::artifact::Artifacts;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ports::blobs::{ByteStream, open};
use crate::ports::metadata::{BlobContent, Content, StoredManifest};

impl Artifacts {
    /// A blob of a repository.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`] if it is no member, whether or not the store has its bytes.
    pub async fn blob(&self, call: &Call, repository: &RepositoryName, digest: &Digest) -> Result<BlobContent> {
        self.require(call, Action::Read, repository)?;
        if let Some(builtin) = builtin(digest) {
            return Ok(builtin);
        }
        let blob = self.metadata.blob(repository, digest).await?;
        blob.ok_or_else(|| Error::BlobUnknown(digest.clone()))
    }

    /// A manifest of a repository.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`].
    pub async fn manifest(
        &self,
        call: &Call,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        self.require(call, Action::Read, repository)?;
        let manifest = self.metadata.manifest(repository, reference).await?;
        manifest.ok_or_else(|| Error::ManifestUnknown(reference.to_string()))
    }

    /// The bytes of a part of some content.
    pub fn open(&self, content: &Content, range: ByteRange) -> ByteStream {
        open(&*self.blobs, content, range)
    }
}

/// Content that every repository holds.
pub(crate) fn builtin(digest: &Digest) -> Option<BlobContent> {
    (digest.as_str() == EMPTY_JSON_DIGEST).then(|| BlobContent {
        size: EMPTY_JSON.len() as u64,
        content: Content::Inline(Bytes::from_static(EMPTY_JSON)),
    })
}
