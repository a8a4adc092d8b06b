//! Deleting objects and versions, and tagging them.

use std::collections::BTreeMap;

use crate::artifact::audit;
use crate::bucket::Buckets;
use crate::bucket::condition::WriteCondition;
use crate::bucket::key::ObjectKey;
use crate::error::Result;
use crate::identity::{Call, RequestId};
use crate::policy::{Action, Operation, Resource};
use crate::ports::metadata::Audit;
use crate::ports::objects::{DeleteObject, Deleted};

impl Buckets {
    /// Deletes an object, or one version of it for ever. What is not there is deleted as well.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchBucket`], [`crate::Error::PreconditionFailed`].
    pub async fn delete_object(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
        condition: WriteCondition,
    ) -> Result<Deleted> {
        let operation = Operation::DeleteObject.of_version(version_id.is_some());
        self.require(call, operation, Action::Delete, Resource::Object(bucket, key.as_str()))?;
        let delete = DeleteObject {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            version_id: version_id.map(ToOwned::to_owned),
            condition,
            // one request may delete many objects, and each has an audit row of its own
            audit: Audit {
                request_id: RequestId::new(),
                ..audit(call, "object.delete", format!("object:{bucket}/{}", key.as_str()))
            },
        };
        self.objects.delete_object(delete).await
    }

    /// Sets the tags of a version.
    ///
    /// # Errors
    /// As reading it.
    pub async fn tag_object(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<String> {
        let operation = if tags.is_empty() { Operation::DeleteObjectTagging } else { Operation::PutObjectTagging };
        let operation = operation.of_version(version_id.is_some());
        self.require(call, operation, Action::Update, Resource::Object(bucket, key.as_str()))?;
        let object = self.readable(bucket, key.as_str(), version_id).await?;
        let audit = audit(call, "object.tag", format!("object:{bucket}/{}", key.as_str()));
        self.objects.tag_object(bucket, key.as_str(), Some(&object.version_id), tags, audit).await?;
        Ok(object.version_id)
    }
}
