//! The database of the audit trail: rows of what was done, and the roots of the batches that they are in. A row of
//! a write is made by that write's own transaction (`ports/metadata.rs`), the others by [`Changes::append`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use zot_core::AuditAction;

use crate::call::{Agent, RequestId};
use crate::error::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was let through.
    Allowed,
    Denied,
}

impl Outcome {
    /// As rows have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

/// What was read, or refused.
#[derive(Clone, Debug)]
pub struct Record {
    /// Key of its row.
    pub id: RequestId,
    /// The request that it is of.
    pub request: RequestId,
    /// When it was; the database's clock makes a time of it.
    pub noted: Instant,
    pub actor: String,
    /// Such as `read` or `authenticate`.
    pub action: AuditAction,
    /// Such as `repository:team/app`.
    pub resource: String,
    pub outcome: Outcome,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// What it was sent by.
    pub agent: Agent,
    pub reason: String,
    /// The policy that decided.
    pub policy: Option<String>,
}

/// A row of the trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub id: String,
    /// Microseconds since 1970, by the database's clock.
    pub at: i64,
    pub actor: String,
    /// Such as `read`, `authenticate` or `manifest.push`.
    pub action: String,
    /// Such as `repository:team/app`.
    pub resource: String,
    /// As it is kept: `denied`, or a word for what went well.
    pub outcome: String,
    /// The id that the client got; empty: the row's own.
    pub request: String,
    /// Where it came from; empty if nobody knows.
    pub address: String,
    /// The method of HTTP.
    pub method: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Why it was decided so.
    pub reason: String,
    /// The policy that decided.
    pub policy: String,
    /// What a write came to, as a JSON object; empty if the rest says it all.
    pub details: String,
    /// The batch that it is in.
    pub batch: Option<i64>,
}

/// The root of a batch: what its rows hash to, chained to the batch before, and signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// The batch's number, from 1 and without gaps.
    pub seq: i64,
    /// Key of its first row.
    pub first: String,
    /// Key of its last row.
    pub last: String,
    pub rows: i64,
    /// When the newest of them was, in microseconds since 1970.
    pub newest: i64,
    /// The root of the tree of hashes over its rows, in hex.
    pub root: String,
    /// The link of the batch before, in hex; of the first batch zeros.
    pub prev: String,
    /// Which key signed it.
    pub key_id: String,
    /// The signature over all of the above.
    pub signature: Vec<u8>,
    /// Its rows were dropped, as they were old; with a signature that says so.
    pub dropped: Option<Vec<u8>>,
}

/// Which rows are asked for; an empty text stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub actor: String,
    /// On exactly this resource.
    pub resource: String,
    pub action: String,
    /// `allowed` or `denied`.
    pub outcome: String,
    /// From then on, in microseconds since 1970.
    pub from: i64,
    pub until: i64,
}

impl Default for Filter {
    fn default() -> Self {
        let any = String::new;
        Self { actor: any(), resource: any(), action: any(), outcome: any(), from: i64::MIN, until: i64::MAX }
    }
}

/// In which order rows are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// For people who look.
    NewestFirst,
    /// For programs that copy.
    OldestFirst,
}

/// A row's place in the order of time.
pub type Place = (i64, String);

/// The trail in the database.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Adds records; those that are there already, as a COMMIT's answer was lost, are left.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn append(&self, records: Vec<Arc<Record>>) -> Result<()>;

    /// Rows behind a place.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn rows(&self, filter: &Filter, order: Order, after: Option<&Place>, limit: u32) -> Result<Vec<Change>>;

    /// Rows that no batch has, the oldest first. Their keys say nothing about when they were committed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn unbatched(&self, limit: u32) -> Result<Vec<Change>>;

    /// The root of the last batch.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn last_root(&self) -> Result<Option<Root>>;

    /// Makes a batch of the rows with these keys; false if its number was taken meanwhile, or one of the rows.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn close_batch(&self, root: Root, keys: Vec<String>) -> Result<bool>;

    /// Roots behind this number.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn roots_after(&self, seq: i64, limit: u32) -> Result<Vec<Root>>;

    /// The rows of a batch, by their keys.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn batch(&self, seq: i64, limit: u32) -> Result<Vec<Change>>;

    /// Batches behind this number whose newest row is older than that, and that are not dropped.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn older_batches(&self, age: Duration, after: i64, limit: u32) -> Result<Vec<Root>>;

    /// Removes the rows of a batch. Its root stays, with the signature that says so.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn drop_batch(&self, seq: i64, signature: Vec<u8>) -> Result<()>;

    /// Numbers of batches that rows say they are in, and that are not there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn stray_batches(&self, limit: u32) -> Result<Vec<i64>>;
}
