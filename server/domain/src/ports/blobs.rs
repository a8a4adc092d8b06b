//! The place for bytes: segments under opaque keys, each written once and by one writer.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use zot_core::hash::Hasher;

pub use super::content::{Piece, SegmentKey};
use crate::error::{Error, Result};

/// Bytes on their way. An error ends the stream.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The bytes, once the first of them are here: an API then answers a dead backend with an error, not with a broken body.
///
/// # Errors
/// What hindered the first bytes.
pub async fn begun(mut bytes: ByteStream) -> Result<ByteStream> {
    let first = bytes.next().await.transpose()?;
    Ok(Box::pin(stream::iter(first.map(Ok)).chain(bytes)))
}

/// A segment that is durable, but that no row names yet.
#[derive(Debug)]
pub struct Written {
    pub key: SegmentKey,
    /// Its length in bytes.
    pub size: u64,
    /// The hasher, having taken in the segment.
    pub hasher: Hasher,
    /// Why the body ended early, if it did: what came before is durable all the same.
    pub broken: Option<Error>,
}

/// Blob storage without the right to read, as use cases hold it: they read through [`crate::read::ReadGate`].
#[async_trait]
pub trait BlobWrites: Send + Sync {
    /// Whether the disk reserve allows more content.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if so little is left that the database and garbage collection need it.
    fn admit(&self) -> Result<()>;

    /// Whether content was refused a moment ago for want of space, or would be now.
    fn is_short(&self) -> bool;

    /// Writes `head` and then `body` as one new segment, hashing on the way, in memory bounded whatever the length.
    /// When it returns, the bytes are durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the storage fails; then nothing of the segment counts.
    async fn write(&self, head: Bytes, body: ByteStream, hasher: Hasher) -> Result<Written>;

    /// Removes a segment that no transaction was ever asked to name. Best effort: the sweep finds what stays.
    async fn discard(&self, key: &SegmentKey);

    /// Whether the storage answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if not.
    async fn probe(&self) -> Result<()>;
}

/// The right to read bytes out of blob storage. Only [`crate::read::ReadGate`] and `fsck` hold it.
pub trait BlobReads: Send + Sync {
    /// Reads pieces one after the other, in bounded memory. Missing bytes are an error in the stream.
    fn read(&self, pieces: Vec<Piece>) -> ByteStream;
}

/// Blob storage: local disk or a cloud.
pub trait Blobs: BlobWrites + BlobReads {}

impl<T: BlobWrites + BlobReads> Blobs for T {}
