//! The database of who may do what: policies now. Each write raises the epoch, by which replicas see that something
//! changed.

use async_trait::async_trait;

use crate::error::Result;
use crate::policy::Policy;
use crate::ports::metadata::Audit;

/// A policy as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// What it says.
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

/// Who may do what.
#[async_trait]
pub trait Access: Send + Sync {
    /// How often something changed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn epoch(&self) -> Result<i64>;

    /// All policies, by their ids, with the epoch that they are of. The first call of a new store puts the shipped roles in.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn policies(&self) -> Result<(i64, Vec<StoredPolicy>)>;

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

    /// Removes a policy; false if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn delete_policy(&self, id: &str, audit: Audit) -> Result<bool>;
}
