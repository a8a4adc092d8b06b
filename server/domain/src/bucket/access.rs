//! Bucket policies in S3's JSON, and public access blocks. `zot_core::policy` decides by them.

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::object_key::ObjectKey;
use zot_core::policy::{Operation, Resource, bucket};

use crate::bucket::Buckets;
use crate::call::Call;
use crate::error::{Error, ObjectError, Result};
use crate::ports::access::{BucketAccess, PublicAccessBlock, PutBucketPolicy};
use crate::ports::metadata::Audit;

impl Buckets {
    /// A bucket's policy, byte for byte as it was put.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::NoSuchPolicy`].
    pub async fn bucket_policy(&self, call: &Call, name: &str) -> Result<String, ObjectError> {
        self.require_admin(call, Operation::GetBucketPolicy, name)?;
        self.said_by(name).await?.policy.ok_or_else(|| ObjectError::NoSuchPolicy(name.to_owned()))
    }

    /// Whether a bucket's policy makes it public.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::NoSuchPolicy`].
    pub async fn bucket_is_public(&self, call: &Call, name: &str) -> Result<bool, ObjectError> {
        self.require_admin(call, Operation::GetBucketPolicyStatus, name)?;
        let policy = self.said_by(name).await?.policy.ok_or_else(|| ObjectError::NoSuchPolicy(name.to_owned()))?;
        Ok(bucket::is_public(&bucket::parse(name, policy.as_bytes())?))
    }

    /// Puts a bucket's policy. It is in force on this replica before the response is sent.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`ObjectError::NoSuchBucket`], [`Error::Denied`] for a public one where the bucket blocks
    /// those.
    pub async fn put_bucket_policy(&self, call: &Call, name: &str, policy: String) -> Result<(), ObjectError> {
        self.require_admin_change(call, Operation::PutBucketPolicy, name)?;
        self.existing(name).await?;
        let statements = bucket::parse(name, policy.as_bytes())?;
        self.access.require_capacity(statements.len())?;
        let put = PutBucketPolicy {
            bucket: name.to_owned(),
            policy,
            is_public: bucket::is_public(&statements),
            audit: Audit::of(call, AuditAction::BucketPolicyPut, format!("bucket:{name}")),
        };
        let done = self.access.store().put_bucket_policy(put).await?;
        self.in_force(name, done).await
    }

    /// Deletes a bucket's policy, if it has one.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn delete_bucket_policy(&self, call: &Call, name: &str) -> Result<(), ObjectError> {
        self.require_admin_change(call, Operation::DeleteBucketPolicy, name)?;
        let audit = Audit::of(call, AuditAction::BucketPolicyDelete, format!("bucket:{name}"));
        let done = self.access.store().delete_bucket_policy(name, audit).await?;
        self.in_force(name, done).await
    }

    /// A bucket's public access block, if it was ever set.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn public_access(&self, call: &Call, name: &str) -> Result<Option<PublicAccessBlock>, ObjectError> {
        self.require_admin(call, Operation::GetBucketPublicAccessBlock, name)?;
        Ok(self.said_by(name).await?.public_access)
    }

    /// Sets or deletes a bucket's public access block.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn set_public_access(
        &self,
        call: &Call,
        name: &str,
        block: Option<PublicAccessBlock>,
    ) -> Result<(), ObjectError> {
        self.require_admin_change(call, Operation::PutBucketPublicAccessBlock, name)?;
        let action =
            if block.is_some() { AuditAction::BucketPublicAccessPut } else { AuditAction::BucketPublicAccessDelete };
        let audit = Audit::of(call, action, format!("bucket:{name}"));
        let done = self.access.store().set_public_access(name, block, audit).await?;
        self.in_force(name, done).await
    }

    /// Refuses requests with a public ACL if the bucket blocks those. The ACL would have no effect, but the client
    /// should learn that it is blocked.
    ///
    /// # Errors
    /// [`Error::Denied`] if the bucket blocks those.
    pub async fn require_public_acl(&self, call: &Call, name: &str, key: &ObjectKey) -> Result<(), ObjectError> {
        self.put_rights(call, Operation::PutObject, name, key.as_str())?;
        let said = self.access.store().bucket_access(name).await?;
        match said.and_then(|said| said.public_access) {
            Some(block) if block.block_public_acls => {
                Err(Error::Denied(format!("bucket {name} blocks public ACLs (BlockPublicAcls)")).into())
            }
            _ => Ok(()),
        }
    }

    async fn said_by(&self, name: &str) -> Result<BucketAccess, ObjectError> {
        self.access.store().bucket_access(name).await?.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))
    }

    async fn in_force(&self, name: &str, done: bool) -> Result<(), ObjectError> {
        if !done {
            return Err(ObjectError::NoSuchBucket(name.to_owned()));
        }
        self.access.load().await?;
        Ok(())
    }

    fn require_admin(&self, call: &Call, operation: Operation, name: &str) -> Result<()> {
        // a policy that allows everybody everything does not let anonymous callers change policies
        if call.principal.is_anonymous() && self.authorizer.settings().access_control {
            return Err(Error::Unauthenticated);
        }
        self.require(call, operation, Action::Admin, Resource::Bucket(name))
    }

    /// A read-only store takes no changes of bucket policies either.
    fn require_admin_change(&self, call: &Call, operation: Operation, name: &str) -> Result<()> {
        self.require_admin(call, operation, name)?;
        if self.authorizer.settings().read_only {
            return Err(Error::Denied("the store is read-only".to_owned()));
        }
        Ok(())
    }
}
