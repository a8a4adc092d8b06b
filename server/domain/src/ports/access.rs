//! The database of who may do what: policies, and what buckets say of themselves. Each write raises the epoch, by which
//! replicas see that something changed.

use async_trait::async_trait;
use zot_core::policy::Policy;

use crate::error::Result;
use crate::ports::metadata::Audit;

/// A policy as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    pub policy: Policy,
    /// Microseconds since 1970 when it was made.
    pub created: i64,
    /// Microseconds since 1970 when it was last changed.
    pub updated: i64,
}

/// What a write of a policy may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Make it; one of that id is in the way.
    Create,
    /// Change it; it must be there.
    Replace,
}

/// A change of a policy as it is when it is changed, whatever was read of it before: what is none stays.
#[derive(Clone, Debug, Default)]
pub struct PolicyChange {
    /// Somebody more whom it is about.
    pub principal: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub resource: Option<String>,
    pub actions: Option<Vec<String>>,
}

impl PolicyChange {
    pub fn of(&self, mut policy: Policy) -> Policy {
        // one without principals is about everybody already
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

/// What a bucket says of who may do what to it and its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketAccess {
    pub bucket: String,
    /// Its policy, byte for byte as it was put.
    pub policy: Option<String>,
    /// What of it must not be public.
    pub public_access: Option<PublicAccessBlock>,
}

/// What of a bucket must not be public, in S3's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "S3 has these four")]
pub struct PublicAccessBlock {
    /// Requests that bring an ACL for everybody are refused.
    pub block_public_acls: bool,
    /// ACLs for everybody have no effect, which they never have here.
    pub ignore_public_acls: bool,
    /// A policy that lets everybody in is refused.
    pub block_public_policy: bool,
    /// What lets everybody in has no effect, whichever policy says it.
    pub restrict_public_buckets: bool,
}

/// All that is decided by, as it was at one epoch.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub epoch: i64,
    /// Policies, by their ids.
    pub policies: Vec<StoredPolicy>,
    /// Buckets that say something, by their names.
    pub buckets: Vec<BucketAccess>,
}

/// Puts a bucket's policy.
#[derive(Clone, Debug)]
pub struct PutBucketPolicy {
    pub bucket: String,
    /// The policy as the client sent it.
    pub policy: String,
    /// Whether it lets everybody in.
    pub is_public: bool,
    pub audit: Audit,
}

/// Who may do what.
#[async_trait]
pub trait Access: Send + Sync {
    /// How often something changed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn epoch(&self) -> Result<i64>;

    /// All that is decided by. The first call of a new store puts the shipped roles in.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn all(&self) -> Result<Stored>;

    /// All policies, by their ids.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn policies(&self) -> Result<Vec<StoredPolicy>>;

    /// One policy.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn policy(&self, id: &str) -> Result<Option<StoredPolicy>>;

    /// Makes or changes a policy; none if one is in the way, or is not there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn put_policy(&self, policy: Policy, mode: PutMode, audit: Audit) -> Result<Option<StoredPolicy>>;

    /// Changes a policy as it is then, so that no two changes lose each other; none if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::ParameterInvalid`] if no policy can be like that.
    async fn change_policy(&self, id: &str, change: PolicyChange, audit: Audit) -> Result<Option<StoredPolicy>>;

    /// Removes a policy; false if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn delete_policy(&self, id: &str, audit: Audit) -> Result<bool>;

    /// What a bucket says; none if there is no such bucket.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn bucket_access(&self, bucket: &str) -> Result<Option<BucketAccess>>;

    /// Puts a bucket's policy; false if there is no such bucket.
    ///
    /// # Errors
    /// [`crate::Error::Denied`] for a public one where the bucket blocks those.
    async fn put_bucket_policy(&self, put: PutBucketPolicy) -> Result<bool>;

    /// Removes a bucket's policy, if it has one; false if there is no such bucket.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn delete_bucket_policy(&self, bucket: &str, audit: Audit) -> Result<bool>;

    /// Says what of a bucket must not be public, or no longer anything; false if there is no such bucket.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn set_public_access(&self, bucket: &str, block: Option<PublicAccessBlock>, audit: Audit) -> Result<bool>;
}
