//! The database of who there is, beyond what trusted issuers say: accounts of programs, access keys, and whose earlier
//! tokens count no more. Each write raises an epoch of its own, by which replicas see that something changed.

use async_trait::async_trait;

use crate::error::{AdministrationError, Result};
use crate::ports::access::PutMode;
use crate::ports::metadata::Audit;

/// An account of a program: a name that policies can speak of, with roles and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// What it is for.
    pub description: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    /// Whether none of its keys is accepted.
    pub disabled: bool,
    /// Microseconds since 1970 when it was made.
    pub created: i64,
    /// Microseconds since 1970 when it was last changed.
    pub updated: i64,
}

/// An access key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id, which may be seen.
    pub id: String,
    /// Whose it is: `account:NAME`, `user:NAME` or `userid:SUB`.
    pub owner: String,
    /// What its owner was called when they made it, for statements that deny and for revocations: roles and groups too,
    /// which allow it nothing.
    pub all_names: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Its secret, encrypted with a key that is not in the database.
    pub encrypted: Vec<u8>,
    /// Whether it is not accepted for now.
    pub disabled: bool,
    /// Microseconds since 1970 from when on it is not accepted.
    pub expires: Option<i64>,
    /// Microseconds since 1970 when it was made.
    pub created: i64,
}

/// What of an access key may be changed; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// Whether it is not accepted for now.
    pub disabled: Option<bool>,
    /// From when on it is not accepted; the inner none is never.
    pub expires: Option<Option<i64>>,
    /// What it is for.
    pub description: Option<String>,
}

/// Everything, as of an epoch.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub epoch: i64,
    pub accounts: Vec<Account>,
    pub keys: Vec<StoredKey>,
    /// Principals, and the second since 1970 up to which tokens and sessions of theirs count no more.
    pub revoked: Vec<(String, i64)>,
}

#[async_trait]
pub trait Identities: Send + Sync {
    /// How often something changed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], as of all of them.
    async fn identities_epoch(&self) -> Result<i64>;

    async fn identities(&self) -> Result<Snapshot>;

    /// Makes or changes an account; none if one is in the way, or is not there.
    async fn put_account(&self, account: Account, mode: PutMode, audit: Audit) -> Result<Option<Account>>;

    /// Removes an account with all its keys; false if it is not there.
    async fn delete_account(&self, name: &str, audit: Audit) -> Result<bool>;

    /// Adds an access key, and changes the one that it takes the place of. None if that one is not there;
    /// [`AdministrationError::StateConflict`] if its owner has `at_most` already.
    async fn add_key(
        &self,
        key: StoredKey,
        at_most: Option<u32>,
        instead_of: Option<(String, KeyChange)>,
        audit: Audit,
    ) -> Result<Option<StoredKey>, AdministrationError>;

    /// Changes an access key; none if it is not there.
    async fn change_key(&self, id: &str, change: KeyChange, audit: Audit) -> Result<Option<StoredKey>>;

    /// Removes an access key; false if it is not there.
    async fn delete_key(&self, id: &str, audit: Audit) -> Result<bool>;

    /// Puts the same secret, encrypted with another key, in place of `old`; false if that is not what is there.
    async fn reencrypt_key(&self, id: &str, old: Vec<u8>, new: Vec<u8>) -> Result<bool>;

    /// From now on tokens and sessions of that principal count no more that were issued up to `second`.
    async fn revoke(&self, principal: &str, second: i64, audit: Audit) -> Result<()>;
}
