//! Deleting objects and versions, and tagging them.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Context, Operation, Resource};

use crate::bucket::Buckets;
use crate::call::{Call, RequestId};
use crate::condition::WriteCondition;
use crate::error::{ObjectError, Result};
use crate::ports::metadata::Audit;
use crate::ports::objects::{DeleteObject, Deleted};

/// Deletes of one request that run concurrently.
const AT_ONCE: usize = 16;

/// One object or version to delete.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub key: ObjectKey,
    /// The version to delete permanently. None: a delete marker is added.
    pub version_id: Option<String>,
    pub condition: WriteCondition,
}

impl Deletion {
    fn operation(&self) -> Operation {
        Operation::DeleteObject.of_version(self.version_id.is_some())
    }
}

impl Buckets {
    /// Deletes an object, or one version permanently. Deleting what does not exist succeeds.
    ///
    /// # Errors
    /// [`crate::ObjectError::NoSuchBucket`], [`crate::ObjectError::PreconditionFailed`].
    pub async fn delete_object(
        &self,
        call: &Call,
        bucket: &str,
        key: &ObjectKey,
        version_id: Option<&str>,
        condition: WriteCondition,
    ) -> Result<Deleted, ObjectError> {
        let deletion = Deletion { key: key.clone(), version_id: version_id.map(ToOwned::to_owned), condition };
        self.require(call, deletion.operation(), Action::Delete, Resource::Object(bucket, key.as_str()))?;
        self.delete_permitted(call, bucket, deletion).await
    }

    /// Deletes many objects and returns each outcome, in their order. All are authorized before the first is deleted.
    pub async fn delete_objects(
        &self,
        call: &Call,
        bucket: &str,
        deletions: Vec<Deletion>,
    ) -> Vec<Result<Deleted, ObjectError>> {
        let context = |it: &Deletion| Context { operation: Some(it.operation()), ..call.context() };
        let asked = deletions.iter().map(|it| (Resource::Object(bucket, it.key.as_str()), context(it)));
        let permits = self.authorizer.require_each(call, Action::Delete, asked).await;
        // concurrently: their commits share an fsync
        let outcomes = stream::iter(permits.into_iter().zip(deletions)).map(|(permit, deletion)| async move {
            permit?;
            self.delete_permitted(call, bucket, deletion).await
        });
        outcomes.buffered(AT_ONCE).collect().await
    }

    async fn delete_permitted(&self, call: &Call, bucket: &str, deletion: Deletion) -> Result<Deleted, ObjectError> {
        let Deletion { key, version_id, condition } = deletion;
        let delete = DeleteObject {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            version_id,
            condition,
            // one request may delete many objects, and each has its own audit row
            audit: Audit {
                request_id: RequestId::new(),
                ..Audit::of(call, AuditAction::ObjectDelete, format!("object:{bucket}/{}", key.as_str()))
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
    ) -> Result<String, ObjectError> {
        let operation = if tags.is_empty() { Operation::DeleteObjectTagging } else { Operation::PutObjectTagging };
        let operation = operation.of_version(version_id.is_some());
        self.require(call, operation, Action::Update, Resource::Object(bucket, key.as_str()))?;
        let object = self.existing_object(bucket, key.as_str(), version_id).await?;
        let audit = Audit::of(call, AuditAction::ObjectTag, format!("object:{bucket}/{}", key.as_str()));
        self.objects.tag_object(bucket, key.as_str(), Some(&object.version_id), tags, audit).await?;
        Ok(object.version_id)
    }
}
