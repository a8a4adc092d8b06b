//! Digesting: an object that was uploaded in parts gets its digest, and so its OCI manifest.
//!
//! The bytes are read once, and each segment is checked against its own SHA-256. It happens in the background, or at once
//! when somebody asks for the reference. If the store has the digest already, the object moves onto that blob.

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
/// A replica that died while it computed one holds the others up for this long. One that is merely slow may be joined by
/// another: both come to the same digest, and the first one's statement counts.
const LEASE_SECS: i64 = 120;

impl Buckets {
    /// An object with its digest, which is computed first if need be.
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

    /// The lease under which one replica at a time calls [`Buckets::digest_next`].
    pub fn digest_lease(upkeep: Arc<dyn Upkeep>, holder: impl Into<String>) -> Lease {
        Lease::new(upkeep, LEASE, holder, LEASE_SECS)
    }

    /// Computes the digest of the oldest open blob; false if there is none.
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
            // bytes that are missing or not what they were: the others must not wait behind them
            Ok(None) | Err(_) => {
                // unless the storage was away for a moment, and another one or none was in its place
                self.blobs.probe().await?;
                self.objects.quarantine(open.blob).await?;
                Err(Error::Internal(format!("blob {} is damaged and was quarantined", open.blob)))
            }
        }
    }

    /// The digest of a blob's bytes; none if a segment is not what it was.
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
