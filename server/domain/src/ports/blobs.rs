//! The port of blob storage: segments under opaque keys. Each is written once, by one writer.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use zot_core::hash::Hasher;

pub use super::content::{Piece, SegmentKey};
use crate::error::{Error, Result};

/// A stream of bytes. An error ends it.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Waits for the first bytes, so that an API can answer a dead backend with an error instead of a broken body.
///
/// # Errors
/// What hindered the first bytes.
pub async fn begun(mut bytes: ByteStream) -> Result<ByteStream> {
    let first = bytes.next().await.transpose()?;
    Ok(Box::pin(stream::iter(first.map(Ok)).chain(bytes)))
}

/// A durable segment without a row.
#[derive(Debug)]
pub struct Written {
    pub key: SegmentKey,
    /// In bytes.
    pub size: u64,
    /// The hasher after this segment.
    pub hasher: Hasher,
    /// Why the body ended early, if it did; the bytes before that are durable.
    pub broken: Option<Error>,
}

/// Blob storage without the right to read, as use cases have it: they read through [`crate::read::ReadGate`].
#[async_trait]
pub trait BlobWrites: Send + Sync {
    /// Checks whether the disk reserve allows more content.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if so little is left that the database and garbage collection need it.
    fn admit(&self) -> Result<()>;

    /// Whether the disk reserve refused content recently, or would now.
    fn is_short(&self) -> bool;

    /// Writes `head` and then `body` as one new segment and hashes it, in bounded memory. When it returns, the bytes
    /// are durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the storage fails; then nothing of the segment counts.
    async fn write(&self, head: Bytes, body: ByteStream, hasher: Hasher) -> Result<Written>;

    /// Deletes a segment that was never part of a transaction. Best effort: the sweep finds the rest.
    async fn discard(&self, key: &SegmentKey);

    /// Checks that the storage answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if not.
    async fn probe(&self) -> Result<()>;
}

/// The right to read bytes from blob storage. Only [`crate::read::ReadGate`] and `fsck` have it.
pub trait BlobReads: Send + Sync {
    /// Reads pieces in order, in bounded memory. Missing bytes are an error in the stream.
    fn read(&self, pieces: Vec<Piece>) -> ByteStream;
}

/// Blob storage: local disk or a cloud.
pub trait Blobs: BlobWrites + BlobReads {}

impl<T: BlobWrites + BlobReads> Blobs for T {}
