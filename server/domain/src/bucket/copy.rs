//! Copying objects: no byte is copied, the copy points at the same blob.

use zot_core::AuditAction;
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::render::{RENDER_VERSION, Rendering};

use crate::bucket::Buckets;
use crate::call::Call;
use crate::condition::{ReadCondition, WriteCondition};
use crate::error::{ObjectError, Result};
use crate::ports::metadata::Audit;
use crate::ports::objects::{Attributes, ObjectVersion, Put, PutObject, Source};
use crate::read::Readable;

pub struct CopySource<'a> {
    pub bucket: &'a str,
    pub key: &'a ObjectKey,
    /// None: the newest version.
    pub version_id: Option<&'a str>,
    pub condition: ReadCondition,
}

pub struct Copied {
    pub put: Put,
    pub source: Readable<ObjectVersion>,
    /// The copy's manifest, if the digest is computed.
    pub manifest_digest: Option<zot_core::digest::Digest>,
}

impl Buckets {
    /// Copies an object. `attributes` and tags replace the source's, each separately.
    ///
    /// # Errors
    /// As reading the source and putting the target; [`Error::ParameterInvalid`] for a copy onto itself that changes
    /// nothing.
    pub async fn copy_object(
        &self,
        call: &Call,
        source: CopySource<'_>,
        (bucket, key): (&str, &ObjectKey),
        attributes: Option<Attributes>,
        tags: Option<std::collections::BTreeMap<String, String>>,
        condition: WriteCondition,
    ) -> Result<Copied, ObjectError> {
        let rights = self.put_rights(call, Operation::PutObject, bucket, key.as_str())?;
        let from = self.copyable(call, &source).await?;
        let itself = source.bucket == bucket && source.key == key && source.version_id.is_none();
        if itself && attributes.is_none() && tags.is_none() {
            return Err(ObjectError::CopyUnchanged);
        }
        let mut copied = attributes.unwrap_or_else(|| from.attributes.clone());
        copied.tags = tags.unwrap_or_else(|| from.attributes.tags.clone());
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
            checksums: from.checksums.clone(),
            part_sizes: from.part_sizes.clone(),
            manifest_digest: manifest_digest.clone(),
            condition,
            rights,
            audit: Audit::of(call, AuditAction::ObjectCopy, format!("object:{bucket}/{}", key.as_str())),
        };
        let put = self.objects.put_object(put).await;
        let put = self.authorizer.settle(call, rights, Resource::Object(bucket, key.as_str()), put)?;
        Ok(Copied { put, source: from, manifest_digest })
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
