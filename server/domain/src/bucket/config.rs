//! Creating, listing, configuring and deleting buckets.

use std::collections::BTreeMap;

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::name::bucket_name;
use zot_core::policy::{Context, Operation, Resource};

use crate::bucket::Buckets;
use crate::call::Call;
use crate::error::{ObjectError, Result};
use crate::ports::metadata::Audit;
use crate::ports::objects::{Bucket, ConfigureBucket, CreateBucket, Versioning};

impl Buckets {
    /// Creates a bucket.
    ///
    /// # Errors
    /// [`Error::BucketNameInvalid`], [`ObjectError::BucketExists`].
    pub async fn create_bucket(&self, call: &Call, name: &str, region: Option<String>) -> Result<(), ObjectError> {
        self.authorizer.require(call, Action::Create, Resource::Bucket(name))?;
        let create = CreateBucket {
            name: bucket_name(name)?,
            region,
            audit: Audit::of(call, AuditAction::BucketCreate, format!("bucket:{name}")),
        };
        if self.objects.create_bucket(create).await? { Ok(()) } else { Err(ObjectError::BucketExists(name.to_owned())) }
    }

    /// A bucket, for an operation that lists.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn bucket(&self, call: &Call, operation: Operation, name: &str) -> Result<Bucket, ObjectError> {
        self.require(call, operation, Action::List, Resource::Bucket(name))?;
        self.existing(name).await
    }

    /// Whether the caller may do this to the bucket, for lists that show more than names.
    pub fn may_list_in(&self, call: &Call, operation: Operation, name: &str) -> bool {
        let context = Context { operation: Some(operation), ..call.context() };
        self.authorizer.decide(&call.principal, Action::List, Resource::Bucket(name), &context).allowed
    }

    pub(super) async fn existing(&self, name: &str) -> Result<Bucket, ObjectError> {
        self.objects.bucket(name).await?.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))
    }

    /// Up to `limit` buckets after `after`.
    ///
    /// # Errors
    /// Denied by policy, or the database is unavailable.
    pub async fn buckets(&self, call: &Call, after: &str, limit: u32) -> Result<Vec<Bucket>, ObjectError> {
        self.authorizer.require_catalog(call)?;
        let mut found = Vec::new();
        let mut after = after.to_owned();
        loop {
            let page = self.objects.buckets(&after, limit).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after.clone_from(&last.name);
            let ended = page.len() < limit as usize;
            // buckets that the caller may not list are left out
            found.extend(self.authorizer.listed(call, page, |it| Resource::Bucket(&it.name)).await);
            if ended || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(found);
            }
        }
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::BucketNotEmpty`].
    pub async fn delete_bucket(&self, call: &Call, name: &str) -> Result<(), ObjectError> {
        self.require(call, Operation::DeleteBucket, Action::Delete, Resource::Bucket(name))?;
        let audit = Audit::of(call, AuditAction::BucketDelete, format!("bucket:{name}"));
        if !self.objects.delete_bucket(name, audit).await? {
            return Err(ObjectError::NoSuchBucket(name.to_owned()));
        }
        // its policy must not apply to a new bucket of that name; if the database is unavailable now, the background
        // job removes the policy
        let _ = self.access.follow().await;
        Ok(())
    }

    /// Sets the versioning state.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn set_versioning(&self, call: &Call, name: &str, versioning: Versioning) -> Result<(), ObjectError> {
        self.configure(call, Operation::PutBucketVersioning, name, Some(versioning), None).await
    }

    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn set_bucket_tags(
        &self,
        call: &Call,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), ObjectError> {
        self.configure(call, Operation::PutBucketTagging, name, None, Some(tags)).await
    }

    async fn configure(
        &self,
        call: &Call,
        operation: Operation,
        name: &str,
        versioning: Option<Versioning>,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<(), ObjectError> {
        self.require(call, operation, Action::Update, Resource::Bucket(name))?;
        let audit = Audit::of(call, AuditAction::BucketConfigure, format!("bucket:{name}"));
        let configure = ConfigureBucket { name: name.to_owned(), versioning, tags, audit };
        if self.objects.configure_bucket(configure).await? {
            Ok(())
        } else {
            Err(ObjectError::NoSuchBucket(name.to_owned()))
        }
    }
}
