//! The port of the audit trail: its rows and the roots of closed batches. A write adds its row in its own transaction
//! (`ports/metadata.rs`); [`Changes::append`] adds the others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use zot_core::AuditAction;

use crate::call::{Agent, RequestId};
use crate::error::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Denied,
}

impl Outcome {
    /// As rows spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

/// A read or a refusal.
#[derive(Clone, Debug)]
pub struct Record {
    /// Key of its row.
    pub id: RequestId,
    pub request: RequestId,
    /// When it happened; the database's clock makes a time of it.
    pub noted: Instant,
    pub actor: String,
    /// Such as `read` or `authenticate`.
    pub action: AuditAction,
    /// Such as `repository:team/app`.
    pub resource: String,
    pub outcome: Outcome,
    pub address: Option<IpAddr>,
    pub agent: Agent,
    pub reason: String,
    /// The policy that decided.
    pub policy: Option<String>,
}

/// A row of the audit trail.
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
    /// As stored: `denied`, or a word for success.
    pub outcome: String,
    /// The id that the client got; empty: the row's own.
    pub request: String,
    /// Empty if unknown.
    pub address: String,
    /// The HTTP method.
    pub method: String,
    pub user_agent: String,
    pub reason: String,
    /// The policy that decided.
    pub policy: String,
    /// The result of a write, as a JSON object; empty if the other fields say everything.
    pub details: String,
    /// The closed batch that contains it.
    pub batch: Option<i64>,
}

/// The root of a closed batch: the hash of its rows, chained to the previous batch, and signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// The batch's number, from 1 and without gaps.
    pub seq: i64,
    /// Key of its first row.
    pub first: String,
    /// Key of its last row.
    pub last: String,
    pub rows: i64,
    /// The time of the newest row, in microseconds since 1970.
    pub newest: i64,
    /// The Merkle root over its rows, in hex.
    pub root: String,
    /// The link of the previous batch, in hex; zeros in the first batch.
    pub prev: String,
    /// The signing key.
    pub key_id: String,
    /// Covers all of the above.
    pub signature: Vec<u8>,
    /// Set if its old rows were dropped: a signature of that.
    pub dropped: Option<Vec<u8>>,
}

/// Which rows to return; an empty text matches any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub actor: String,
    pub resource: String,
    pub action: String,
    /// `allowed` or `denied`.
    pub outcome: String,
    /// In microseconds since 1970, inclusive.
    pub from: i64,
    pub until: i64,
}

impl Default for Filter {
    fn default() -> Self {
        let any = String::new;
        Self { actor: any(), resource: any(), action: any(), outcome: any(), from: i64::MIN, until: i64::MAX }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// For people.
    NewestFirst,
    /// For programs that copy.
    OldestFirst,
}

/// A row's position in the order of time.
pub type Place = (i64, String);

/// The database of the audit trail. Each method fails with [`crate::Error::Unavailable`] if the database is
/// unavailable.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Adds records. Existing ones are skipped: an earlier COMMIT may have lost its answer.
    async fn append(&self, records: Vec<Arc<Record>>) -> Result<()>;

    /// Rows after a position.
    async fn rows(&self, filter: &Filter, order: Order, after: Option<&Place>, limit: u32) -> Result<Vec<Change>>;

    /// Rows that are in no batch, oldest first. Their keys do not tell when they were committed.
    async fn unbatched(&self, limit: u32) -> Result<Vec<Change>>;

    async fn last_root(&self) -> Result<Option<Root>>;

    /// Closes a batch of the rows with these keys. False if another batch took the number or one of the rows.
    async fn close_batch(&self, root: Root, keys: Vec<String>) -> Result<bool>;

    /// Roots after this number.
    async fn roots_after(&self, seq: i64, limit: u32) -> Result<Vec<Root>>;

    /// The rows of a batch, by their keys.
    async fn batch(&self, seq: i64, limit: u32) -> Result<Vec<Change>>;

    /// Undropped batches after this number whose newest row is older than `age`.
    async fn older_batches(&self, age: Duration, after: i64, limit: u32) -> Result<Vec<Root>>;

    /// Deletes the rows of a batch. Its root is kept, with the signature of the drop.
    async fn drop_batch(&self, seq: i64, signature: Vec<u8>) -> Result<()>;

    /// Batch numbers in rows whose batch does not exist.
    async fn stray_batches(&self, limit: u32) -> Result<Vec<i64>>;
}
