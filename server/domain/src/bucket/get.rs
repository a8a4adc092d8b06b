//! Reading objects.

use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource};
use zot_core::range::ByteRange;

use crate::bucket::Buckets;
use crate::call::Call;
use crate::error::{ObjectError, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::objects::ObjectVersion;
use crate::read::Readable;

impl Buckets {
    /// A version of an object, by default the newest, for an operation that reads.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::NoSuchKey`], [`ObjectError::NoSuchVersion`],
    /// [`ObjectError::DeleteMarker`].
    pub async fn object(
        &self,
        call: &Call,
        operation: Operation,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
    ) -> Result<Readable<ObjectVersion>, ObjectError> {
        let operation = operation.of_version(version_id.is_some());
        let find = self.existing_object(bucket, key.as_str(), version_id);
        self.gate.authorize_read(call, Some(operation), Resource::Object(bucket, key.as_str()), find).await
    }

    /// Whether an object may be read: listings show more of those. It is not logged, as nothing is refused.
    pub fn may_read(&self, call: &Call, bucket: &str, key: &str) -> bool {
        self.gate.may_read(call, Some(Operation::GetObject), Resource::Object(bucket, key))
    }

    pub(super) async fn existing_object(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<ObjectVersion, ObjectError> {
        match self.objects.object(bucket, key, version_id).await? {
            Some(object) if object.delete_marker => {
                Err(ObjectError::DeleteMarker { version_id: object.version_id, asked: version_id.is_some() })
            }
            Some(object) => Ok(object),
            None => {
                self.existing(bucket).await?;
                Err(match version_id {
                    Some(version) => ObjectError::NoSuchVersion(version.to_owned()),
                    None => ObjectError::NoSuchKey(key.to_owned()),
                })
            }
        }
    }

    /// A range of an object's bytes.
    pub fn open(&self, object: &Readable<ObjectVersion>, range: ByteRange) -> ByteStream {
        self.gate.open(object, range)
    }
}
