//! Copying objects: no byte is copied, the copy points at the same blob.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::checksum::{Algorithm, Checksums, Kind};
use zot_core::hash::Hasher;
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::range::ByteRange;
use zot_core::render::{RENDER_VERSION, Rendering};

use crate::bucket::Buckets;
use crate::call::Call;
use crate::condition::{ReadCondition, WriteCondition};
use crate::error::{Error, ObjectError, Result};
use crate::ports::metadata::Audit;
use crate::ports::objects::{Attributes, ObjectVersion, Put, PutObject, REDIRECT, Source};
use crate::read::Readable;

pub struct CopySource<'a> {
    pub bucket: &'a str,
    pub key: &'a ObjectKey,
    /// None: the newest version.
    pub version_id: Option<&'a str>,
    pub condition: ReadCondition,
}

/// What a copy has of its own. `None`: as the source.
pub struct CopyTarget<'a> {
    pub bucket: &'a str,
    pub key: &'a ObjectKey,
    /// Content type, headers and user metadata.
    pub attributes: Option<Attributes>,
    pub tags: Option<BTreeMap<String, String>>,
    /// The website redirect location, which is never copied.
    pub redirect: Option<String>,
    /// Whether the request changes something else, so that a copy onto itself has a meaning.
    pub changes: bool,
    /// The checksum that the copy has. It is computed if the source has none of this algorithm.
    pub algorithm: Option<Algorithm>,
    pub condition: WriteCondition,
}

pub struct Copied {
    pub put: Put,
    pub source: Readable<ObjectVersion>,
    pub checksums: Checksums,
    /// The copy's manifest, if the digest is computed.
    pub manifest_digest: Option<zot_core::digest::Digest>,
}

impl Buckets {
    /// Copies an object.
    ///
    /// # Errors
    /// As reading the source and putting the target; [`ObjectError::CopyUnchanged`] for a copy onto itself that changes
    /// nothing.
    pub async fn copy_object(
        &self,
        call: &Call,
        source: CopySource<'_>,
        target: CopyTarget<'_>,
    ) -> Result<Copied, ObjectError> {
        let (bucket, key) = (target.bucket, target.key);
        let rights = self.put_rights(call, Operation::PutObject, bucket, key.as_str())?;
        let from = self.copyable(call, &source).await?;
        let itself = source.bucket == bucket && source.key == key && source.version_id.is_none();
        if itself && target.attributes.is_none() && target.tags.is_none() && !target.changes {
            return Err(ObjectError::CopyUnchanged);
        }
        if target.tags.is_none() && !from.attributes.tags.is_empty() {
            // tags are read by the copy, and need the right to read them
            let operation = Operation::GetObjectTagging.of_version(source.version_id.is_some());
            self.require(call, operation, Action::Read, Resource::Object(source.bucket, source.key.as_str()))?;
        }
        let copied = attributes_of(&from, target.attributes, target.tags, target.redirect);
        let checksums = self.checksums_of_copy(&from, target.algorithm).await?;
        let manifest_digest = from.digest.as_ref().map(|digest| {
            let (content_type, key) = (copied.content_type.as_str(), key.as_str());
            Rendering { digest: digest.as_str(), size: from.size, content_type, key, version: RENDER_VERSION }
                .manifest_digest()
        });
        let blob = from.blob.ok_or_else(|| ObjectError::NoSuchKey(source.key.as_str().to_owned()))?;
        let put = PutObject {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            source: Source::Blob { blob, size: from.size },
            etag: from.etag.clone(),
            attributes: copied,
            checksums: checksums.clone(),
            part_sizes: from.part_sizes.clone(),
            manifest_digest: manifest_digest.clone(),
            condition: target.condition,
            rights,
            audit: Audit::of(call, AuditAction::ObjectCopy, format!("object:{bucket}/{}", key.as_str())),
        };
        let put = self.objects.put_object(put).await;
        let put = self.authorizer.settle(call, rights, Resource::Object(bucket, key.as_str()), put)?;
        Ok(Copied { put, source: from, checksums, manifest_digest })
    }

    /// The source's checksums, or a new one of the whole object if the client names an algorithm that it lacks.
    async fn checksums_of_copy(
        &self,
        from: &Readable<ObjectVersion>,
        algorithm: Option<Algorithm>,
    ) -> Result<Checksums, ObjectError> {
        let has = |algorithm| from.checksums.kind == Kind::FullObject && from.checksums.values.contains_key(&algorithm);
        let Some(algorithm) = algorithm.filter(|algorithm| !has(*algorithm)) else { return Ok(from.checksums.clone()) };
        let mut hasher = Hasher::for_object(algorithm);
        let mut bytes = self.open(from, ByteRange { start: 0, end: from.size });
        while let Some(piece) = bytes.next().await {
            hasher.update(&piece?);
        }
        let sums = hasher.finish().object.ok_or_else(|| Error::Internal("no sums of an object".to_owned()))?;
        Ok(Checksums { values: [sums.checksum].into(), ..Checksums::default() })
    }

    /// The source of a copy, if the caller may read it and its conditions hold.
    ///
    /// # Errors
    /// As reading it; [`ObjectError::PreconditionFailed`].
    pub async fn copyable(&self, call: &Call, source: &CopySource<'_>) -> Result<Readable<ObjectVersion>, ObjectError> {
        let from = self.object(call, Operation::GetObject, source.bucket, source.key, source.version_id).await?;
        match source.condition.check(&from.etag, from.created / 1_000_000) {
            // a copy has no 304
            Err(ObjectError::NotModified) => Err(ObjectError::PreconditionFailed),
            other => other.map(|()| from),
        }
    }
}

fn attributes_of(
    from: &ObjectVersion,
    replaced: Option<Attributes>,
    tags: Option<BTreeMap<String, String>>,
    redirect: Option<String>,
) -> Attributes {
    let mut copied = replaced.unwrap_or_else(|| from.attributes.clone());
    copied.tags = tags.unwrap_or_else(|| from.attributes.tags.clone());
    copied.headers.remove(REDIRECT);
    copied.headers.extend(redirect.map(|location| (REDIRECT.to_owned(), location)));
    copied
}
