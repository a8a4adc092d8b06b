//! Pushing manifests: parse, make the bytes durable, then write references, tags and audit row in one transaction.

use bytes::Bytes;
use futures_util::stream;
use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::Hasher;
use zot_core::manifest::{EMPTY_JSON_DIGEST, MANIFEST_MAX, Manifest};
use zot_core::name::{Reference, RepositoryName, Tag};

use crate::artifact::Artifacts;
use crate::body;
use crate::call::Call;
use crate::error::{ArtifactError, Error, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::metadata::{Audit, Content, INLINE_MAX, NewContent, PublishManifest, Segment};

/// Most tags that one request may set with `?tag=`.
pub const TAGS_MAX: usize = 100;

/// The result of a manifest push.
#[derive(Clone, Debug)]
pub struct Published {
    pub digest: Digest,
    /// Its subject. If there is one, the client needs no fallback tag.
    pub subject: Option<Digest>,
    pub tags: Vec<Tag>,
}

impl Artifacts {
    /// Pushes a manifest by tag, or by digest with further tags.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`ArtifactError::ManifestBlobUnknown`], [`ArtifactError::DigestMismatch`],
    /// [`Error::TooLarge`],
    /// [`Error::Denied`] if a tag may not be moved.
    pub async fn publish(
        &self,
        call: &Call,
        repository: &RepositoryName,
        reference: &Reference,
        tags: Vec<Tag>,
        content_type: Option<&str>,
        body: ByteStream,
    ) -> Result<Published, ArtifactError> {
        let rights = self.push_rights(call, repository)?;
        if !rights.create && !rights.update {
            self.require(call, Action::Create, repository)?;
        }
        let bytes = body::whole(body, MANIFEST_MAX).await?;
        let (digest, hasher) = named(reference, &bytes)?;
        let tags = all_tags(reference, tags)?;
        let mut manifest = Manifest::parse(&bytes, content_type)?;
        let subject = manifest.subject.clone();
        manifest.blobs.retain(|blob| blob.digest.as_str() != EMPTY_JSON_DIGEST);
        let content = self.store(bytes, hasher).await?;
        let by_tag = matches!(reference, Reference::Tag(_));
        let separator = if by_tag { ':' } else { '@' };
        let publish = PublishManifest {
            repository: repository.clone(),
            digest: digest.clone(),
            manifest,
            content,
            tags: tags.clone(),
            by_tag,
            rights,
            audit: Audit::of(call, AuditAction::ManifestPush, format!("repository:{repository}{separator}{reference}")),
        };
        self.settle(call, rights, repository, self.metadata.publish_manifest(publish).await)?;
        Ok(Published { digest, subject, tags })
    }

    /// Makes a manifest's bytes durable. Small ones stay in a row.
    async fn store(&self, bytes: Bytes, mut hasher: Hasher) -> Result<NewContent, ArtifactError> {
        self.blobs.admit()?;
        self.metadata.admit()?;
        let size = bytes.len() as u64;
        if bytes.len() <= INLINE_MAX {
            hasher.update(&bytes);
            return Ok(NewContent { digests: hasher.finish(), size, content: Content::Inline(bytes) });
        }
        let written = self.blobs.write(bytes, Box::pin(stream::empty()), hasher).await?;
        let digests = written.hasher.finish();
        let sha256 = Some(digests.sha256.clone());
        let segment = Segment { key: written.key, start: 0, size, sha256 };
        Ok(NewContent { digests, size, content: Content::Segments(vec![segment]) })
    }
}

/// The manifest's digest: the one in the reference, or its SHA-256.
fn named(reference: &Reference, bytes: &Bytes) -> Result<(Digest, Hasher), ArtifactError> {
    match reference {
        Reference::Tag(_) => Ok((Digest::of(Algorithm::Sha256, bytes), Hasher::new(Algorithm::Sha256))),
        Reference::Digest(digest) => {
            let actual = Digest::of(digest.algorithm(), bytes);
            if actual != *digest {
                return Err(ArtifactError::DigestMismatch { actual, wanted: digest.clone() });
            }
            Ok((actual, Hasher::new(digest.algorithm())))
        }
    }
}

fn all_tags(reference: &Reference, mut tags: Vec<Tag>) -> Result<Vec<Tag>, ArtifactError> {
    if let Reference::Tag(tag) = reference {
        if !tags.is_empty() {
            return Err(Error::ParameterInvalid("the parameter tag needs a manifest put by digest".to_owned()).into());
        }
        tags.push(tag.clone());
    }
    if tags.len() > TAGS_MAX {
        return Err(Error::ParameterInvalid(format!("at most {TAGS_MAX} tags can be set at once")).into());
    }
    // all writers set tags in this order, so that two requests never deadlock
    tags.sort();
    tags.dedup();
    Ok(tags)
}
