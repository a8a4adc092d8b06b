//! Digesting: computes the digest of an object that was uploaded in parts, and with it its OCI manifest.
//!
//! The bytes are read once, and each segment is checked against its own SHA-256. A background job does this, or the
//! first request for the reference. If the store has the digest already, the object moves to that blob.

use std::sync::Arc;

use futures_util::StreamExt as _;
use zot_core::digest::{Algorithm, Digest};
use zot_core::hash::Hasher;
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::range::ByteRange;

use crate::bucket::Buckets;
use crate::call::Call;
use crate::error::{Error, ObjectError, Result};
use crate::lease::Lease;
use crate::ports::objects::{ObjectVersion, OpenBlob};
use crate::ports::upkeep::Upkeep;
use crate::read::Readable;

/// The lease under which one process computes digests.
const LEASE: &str = "seal";
/// If a replica dies while it computes a digest, the others wait this long. If it is only slow, another replica may
/// compute the same digest: the first statement wins.
const LEASE_SECS: i64 = 120;

impl Buckets {
    /// An object with its digest. If the digest is not known yet, this computes it.
    ///
    /// # Errors
    /// As reading it; [`Error::Internal`] if its bytes are damaged.
    pub async fn digested_object(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
    ) -> Result<Readable<ObjectVersion>, ObjectError> {
        let operation = Operation::GetObject.of_version(version_id.is_some());
        let find = async {
            let object = self.existing_object(bucket, key.as_str(), version_id).await?;
            let (None, Some(blob)) = (&object.digest, object.blob) else { return Ok(object) };
            if let Some(open) = self.objects.open_blob(blob).await? {
                self.digest(open).await?;
            }
            self.existing_object(bucket, key.as_str(), Some(&object.version_id)).await
        };
        self.gate.authorize_read(call, Some(operation), Resource::Object(bucket, key.as_str()), find).await
    }

    pub fn digest_lease(upkeep: Arc<dyn Upkeep>, holder: impl Into<String>) -> Lease {
        Lease::new(upkeep, LEASE, holder, LEASE_SECS)
    }

    /// Computes the digest of the oldest open blob. False if there is none.
    ///
    /// # Errors
    /// Of the database and the storage: it will be tried again.
    pub async fn digest_next(&self) -> Result<bool> {
        match self.objects.oldest_open_blob().await? {
            Some(open) => self.digest(open).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn digest(&self, open: OpenBlob) -> Result<()> {
        match self.digest_of(&open).await {
            Ok(Some(digest)) => self.objects.set_digest(open.blob, &digest).await,
            Err(error @ Error::Unavailable { .. }) => Err(error),
            // bytes are missing or damaged: the other blobs must not wait for this one
            Ok(None) | Err(_) => {
                // unless the storage was briefly unavailable or replaced
                self.blobs.probe().await?;
                self.objects.quarantine(open.blob).await?;
                Err(Error::Internal(format!("blob {} is damaged and was quarantined", open.blob)))
            }
        }
    }

    /// The digest of a blob's bytes. None if a segment is damaged.
    async fn digest_of(&self, open: &OpenBlob) -> Result<Option<Digest>> {
        let mut whole = Hasher::new(Algorithm::Sha256);
        for segment in &open.segments {
            let mut own = Hasher::new(Algorithm::Sha256);
            let range = ByteRange { start: segment.start, end: segment.start + segment.size };
            let content = crate::ports::metadata::Content::Segments(vec![segment.clone()]);
            let mut bytes = self.gate.open_internally(&content, range);
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk?;
                own.update(&chunk);
                whole.update(&chunk);
            }
            if segment.sha256.as_ref().is_some_and(|expected| *expected != own.finish().sha256) {
                return Ok(None);
            }
        }
        Ok((whole.length() == open.size).then(|| whole.finish().sha256))
    }
}
