//! What lies in blob storage, for those who look after it: garbage collection, the sweep and `fsck`.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use crate::error::Result;
use crate::ports::blobs::SegmentKey;

/// Storage is listed and swept in this many parts, by the first two hex digits under the store's id.
pub const SHARDS: u16 = 256;

/// Something that lies in the store's part of blob storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub path: String,
    /// The segment's key; none if this is not a segment of ours.
    pub key: Option<SegmentKey>,
    /// Length in bytes.
    pub size: u64,
    /// When it was written, in microseconds since 1970 by the storage's clock.
    pub modified: i64,
}

impl Stored {
    /// The time since it was written. It is zero if the storage's clock is ahead.
    pub fn age(&self) -> Duration {
        let micros = zot_core::ambient::now().as_microsecond().saturating_sub(self.modified);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// What lies there, on its way.
pub type StoredStream = Pin<Box<dyn Stream<Item = Result<Stored>> + Send>>;

/// Blob storage as an inventory. Whoever deletes compares the marker first (rule A4 of `docs/STORE.md`).
#[async_trait]
pub trait Inventory: Send + Sync {
    /// Which incarnation of the database these blobs belong to; none: the storage is not this store's.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn marker(&self) -> Result<Option<String>>;

    /// Gives the blobs to another incarnation of the database.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn set_marker(&self, incarnation: &str) -> Result<()>;

    /// All that lies in one shard, below [`SHARDS`], or in all; the marker and what a start tries rights with are left out. In no order.
    fn list(&self, shard: Option<u16>) -> StoredStream;

    /// The length of a segment in storage; none if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn size(&self, key: &SegmentKey) -> Result<Option<u64>>;

    /// Deletes segments, and gives those that are gone. One that is not there is gone too.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] if none could be deleted.
    async fn delete(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentKey>>;

    /// Removes what writers that died left half written, where the storage shows it: files of a disk. Clouds have rules
    /// of their own for unfinished uploads. Gives the bytes that this freed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    async fn delete_unfinished(&self, older_than: std::time::Duration) -> Result<u64>;
}
