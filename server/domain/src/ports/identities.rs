//! The port of identities beyond trusted issuers: service accounts, access keys and revocations. Each write raises its
//! own epoch, by which replicas notice changes.

use async_trait::async_trait;

use crate::error::{AdministrationError, Result};
use crate::ports::access::PutMode;
use crate::ports::metadata::Audit;

/// A service account: a name for policies, with roles and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub description: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    /// Whether all its keys are refused.
    pub disabled: bool,
    /// Microseconds since 1970.
    pub created: i64,
    /// Microseconds since 1970.
    pub updated: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Not secret.
    pub id: String,
    /// `account:NAME`, `user:NAME` or `userid:SUB`.
    pub owner: String,
    /// All names of its owner when the key was made, roles and groups included. Denials and revocations match them;
    /// allows do not.
    pub all_names: Vec<String>,
    pub description: String,
    /// Its secret, encrypted with a key that is not in the database.
    pub encrypted: Vec<u8>,
    pub disabled: bool,
    /// Microseconds since 1970.
    pub expires: Option<i64>,
    /// Microseconds since 1970.
    pub created: i64,
}

/// A change of an access key. Fields that are none stay.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    pub disabled: Option<bool>,
    /// The inner none means never.
    pub expires: Option<Option<i64>>,
    pub description: Option<String>,
}

/// Everything, as of an epoch.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub epoch: i64,
    pub accounts: Vec<Account>,
    pub keys: Vec<StoredKey>,
    /// Principals, and the second since 1970 up to which their tokens and sessions are revoked.
    pub revoked: Vec<(String, i64)>,
}

#[async_trait]
pub trait Identities: Send + Sync {
    /// The number of changes. Each method fails with [`crate::Error::Unavailable`] if the database is unavailable.
    async fn identities_epoch(&self) -> Result<i64>;

    async fn identities(&self) -> Result<Snapshot>;

    /// Creates or replaces an account. None if the mode does not allow it.
    async fn put_account(&self, account: Account, mode: PutMode, audit: Audit) -> Result<Option<Account>>;

    /// Deletes an account with all its keys. False if it does not exist.
    async fn delete_account(&self, name: &str, audit: Audit) -> Result<bool>;

    /// Adds an access key, and changes the one that it replaces. None if that one does not exist;
    /// [`AdministrationError::StateConflict`] if its owner has `at_most` already.
    async fn add_key(
        &self,
        key: StoredKey,
        at_most: Option<u32>,
        instead_of: Option<(String, KeyChange)>,
        audit: Audit,
    ) -> Result<Option<StoredKey>, AdministrationError>;

    /// None if it does not exist.
    async fn change_key(&self, id: &str, change: KeyChange, audit: Audit) -> Result<Option<StoredKey>>;

    /// False if it does not exist.
    async fn delete_key(&self, id: &str, audit: Audit) -> Result<bool>;

    /// Replaces `old` by the same secret, encrypted with another key. False if the row has another value.
    async fn reencrypt_key(&self, id: &str, old: Vec<u8>, new: Vec<u8>) -> Result<bool>;

    /// Revokes that principal's tokens and sessions that were issued up to `second`.
    async fn revoke(&self, principal: &str, second: i64, audit: Audit) -> Result<()>;
}
