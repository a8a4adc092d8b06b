//! Deleting tags, manifests and blobs of a repository. Garbage collection deletes the bytes later.

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::digest::Digest;
use zot_core::name::{Reference, RepositoryName};

use crate::artifact::Artifacts;
use crate::artifact::read::builtin;
use crate::call::Call;
use crate::error::{ArtifactError, Error, Result};
use crate::ports::metadata::{Audit, Remove, RemoveTarget};

impl Artifacts {
    /// Deletes one tag, or a manifest with all its tags.
    ///
    /// # Errors
    /// [`ArtifactError::ManifestUnknown`].
    pub async fn delete_manifest(
        &self,
        call: &Call,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), ArtifactError> {
        self.require(call, Action::Delete, repository)?;
        let (action, target) = match reference {
            Reference::Tag(tag) => (AuditAction::TagDelete, RemoveTarget::Tag(tag.clone())),
            Reference::Digest(digest) => (AuditAction::ManifestDelete, RemoveTarget::Manifest(digest.clone())),
        };
        let separator = if matches!(reference, Reference::Tag(_)) { ':' } else { '@' };
        let resource = format!("repository:{repository}{separator}{reference}");
        let remove = Remove { repository: repository.clone(), target, audit: Audit::of(call, action, resource) };
        if self.metadata.remove(remove).await? {
            Ok(())
        } else {
            Err(ArtifactError::ManifestUnknown(reference.to_string()))
        }
    }

    /// Removes a blob from a repository.
    ///
    /// # Errors
    /// [`ArtifactError::BlobUnknown`]; [`Error::Unsupported`] while a manifest of the repository references it, and for
    /// the
    /// built-in empty object.
    pub async fn delete_blob(
        &self,
        call: &Call,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), ArtifactError> {
        self.require(call, Action::Delete, repository)?;
        if builtin(digest).is_some() {
            return Err(Error::Unsupported("the empty JSON object belongs to every repository".to_owned()).into());
        }
        let remove = Remove {
            repository: repository.clone(),
            target: RemoveTarget::Blob(digest.clone()),
            audit: Audit::of(call, AuditAction::BlobDelete, format!("repository:{repository}@{digest}")),
        };
        if self.metadata.remove(remove).await? { Ok(()) } else { Err(ArtifactError::BlobUnknown(digest.clone())) }
    }
}
