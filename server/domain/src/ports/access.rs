//! The port of policies and bucket policies. Each write raises the epoch, by which replicas notice changes.

use async_trait::async_trait;
use zot_core::policy::Policy;

use crate::error::Result;
use crate::ports::metadata::Audit;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    pub policy: Policy,
    /// Microseconds since 1970.
    pub created: i64,
    /// Microseconds since 1970.
    pub updated: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Fails if the id exists.
    Create,
    /// Fails if the id does not exist.
    Replace,
}

/// A change of a policy's current state. Fields that are none stay.
#[derive(Clone, Debug, Default)]
pub struct PolicyChange {
    /// A further principal.
    pub principal: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub resource: Option<String>,
    pub actions: Option<Vec<String>>,
}

impl PolicyChange {
    pub fn of(&self, mut policy: Policy) -> Policy {
        // a policy without principals applies to everybody already
        if let Some(more) = self.principal.as_ref().filter(|_| !policy.principals.is_empty())
            && !policy.principals.contains(more)
        {
            policy.principals.push(more.clone());
        }
        if let Some(name) = &self.name {
            policy.name.clone_from(name);
        }
        if self.description.is_some() {
            policy.description.clone_from(&self.description);
        }
        if let Some(resource) = &self.resource {
            policy.resource.clone_from(resource);
        }
        if let Some(actions) = &self.actions {
            policy.actions.clone_from(actions);
        }
        policy
    }
}

/// A bucket's policy and public access block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketAccess {
    pub bucket: String,
    /// Byte for byte as it was put.
    pub policy: Option<String>,
    pub public_access: Option<PublicAccessBlock>,
}

/// S3's public access block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "S3 has these four")]
pub struct PublicAccessBlock {
    /// Requests with a public ACL are refused.
    pub block_public_acls: bool,
    /// Public ACLs have no effect, which they never have here.
    pub ignore_public_acls: bool,
    /// A public policy is refused.
    pub block_public_policy: bool,
    /// No policy makes the bucket public.
    pub restrict_public_buckets: bool,
}

/// All policies, as of one epoch.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub epoch: i64,
    /// By id.
    pub policies: Vec<StoredPolicy>,
    /// Buckets with a policy or public access block, by name.
    pub buckets: Vec<BucketAccess>,
}

#[derive(Clone, Debug)]
pub struct PutBucketPolicy {
    pub bucket: String,
    /// As the client sent it.
    pub policy: String,
    pub is_public: bool,
    pub audit: Audit,
}

/// The database of policies. Each method fails with [`crate::Error::Unavailable`] if the database is unavailable.
#[async_trait]
pub trait Access: Send + Sync {
    /// The number of changes.
    async fn epoch(&self) -> Result<i64>;

    /// All policies. The first call of a new store adds the shipped roles.
    async fn all(&self) -> Result<Stored>;

    /// By id.
    async fn policies(&self) -> Result<Vec<StoredPolicy>>;

    async fn policy(&self, id: &str) -> Result<Option<StoredPolicy>>;

    /// Creates or replaces a policy. None if the mode does not allow it.
    async fn put_policy(&self, policy: Policy, mode: PutMode, audit: Audit) -> Result<Option<StoredPolicy>>;

    /// Changes a policy's current state, so that concurrent changes are not lost. None if it does not exist.
    ///
    /// # Errors
    /// [`crate::Error::ParameterInvalid`] if no policy can be like that.
    async fn change_policy(&self, id: &str, change: PolicyChange, audit: Audit) -> Result<Option<StoredPolicy>>;

    /// False if it does not exist.
    async fn delete_policy(&self, id: &str, audit: Audit) -> Result<bool>;

    /// None if the bucket does not exist.
    async fn bucket_access(&self, bucket: &str) -> Result<Option<BucketAccess>>;

    /// False if the bucket does not exist.
    ///
    /// # Errors
    /// [`crate::Error::Denied`] for a public one where the bucket blocks those.
    async fn put_bucket_policy(&self, put: PutBucketPolicy) -> Result<bool>;

    /// Deletes a bucket's policy, if it has one. False if the bucket does not exist.
    async fn delete_bucket_policy(&self, bucket: &str, audit: Audit) -> Result<bool>;

    /// Sets or deletes a bucket's public access block. False if the bucket does not exist.
    async fn set_public_access(&self, bucket: &str, block: Option<PublicAccessBlock>, audit: Audit) -> Result<bool>;
}
