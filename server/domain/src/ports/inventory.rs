//! The port of blob storage for garbage collection, the sweep and `fsck`: what is stored.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use crate::error::Result;
use crate::ports::blobs::SegmentKey;

/// Storage is listed and swept in this many shards, by the first two hex digits after the store's id.
pub const SHARDS: u16 = 256;

/// A file in the store's part of blob storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub path: String,
    /// None if it is no segment.
    pub key: Option<SegmentKey>,
    /// In bytes.
    pub size: u64,
    /// When it was written, in microseconds since 1970 by the storage's clock.
    pub modified: i64,
}

impl Stored {
    /// The time since it was written. Zero if the storage's clock is ahead.
    pub fn age(&self) -> Duration {
        let micros = zot_core::ambient::now().as_microsecond().saturating_sub(self.modified);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

pub type StoredStream = Pin<Box<dyn Stream<Item = Result<Stored>> + Send>>;

/// The inventory of blob storage. Compare the marker before deleting (rule A4 of `docs/STORE.md`). Each method fails
/// with [`crate::Error::Unavailable`] if the storage is unavailable.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// The database incarnation that these blobs belong to. None: the storage is not this store's.
    async fn marker(&self) -> Result<Option<String>>;

    /// Assigns the blobs to another incarnation of the database.
    async fn set_marker(&self, incarnation: &str) -> Result<()>;

    /// Everything in one shard, below [`SHARDS`], or in all, in no order; without the marker and the preflight's test
    /// files.
    fn list(&self, shard: Option<u16>) -> StoredStream;

    /// The length of a stored segment. None if it does not exist.
    async fn size(&self, key: &SegmentKey) -> Result<Option<u64>>;

    /// Deletes segments and returns those that no longer exist, absent ones included.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] if none could be deleted.
    async fn delete(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentKey>>;

    /// Deletes unfinished files of writers that died, and returns the bytes freed. Only for disks: cloud storage has
    /// its own rules for unfinished uploads.
    async fn delete_unfinished(&self, older_than: std::time::Duration) -> Result<u64>;
}
