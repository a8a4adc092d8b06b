//! The place for bytes: segments under opaque keys, each written once and by one writer.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use zot_core::hash::Hasher;
use zot_core::range::ByteRange;

use crate::error::{Error, Result};
use crate::ports::metadata::{Content, Segment};

/// Bytes on their way. An error ends the stream.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The opaque, time-ordered key of a segment: a UUIDv7 that is never used twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey(uuid::Uuid);

impl SegmentKey {
    /// A new key.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// Two hex digits out of the random part, so that keys of one moment spread over many prefixes.
    pub fn shard(&self) -> String {
        let text = self.to_string();
        text[text.len() - 2..].to_owned()
    }
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for SegmentKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|_| Error::Internal(format!("{text:?} is no segment key")))
    }
}

/// A part of a segment.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The segment.
    pub key: SegmentKey,
    /// The bytes wanted of it.
    pub range: ByteRange,
}

/// The parts of segments that make up a part of their blob.
pub fn pieces_of(segments: &[Segment], range: ByteRange) -> Vec<Piece> {
    let piece = |segment: &Segment| {
        let start = range.start.max(segment.start);
        let end = range.end.min(segment.start + segment.size);
        (start < end).then(|| Piece {
            key: segment.key.clone(),
            range: ByteRange { start: start - segment.start, end: end - segment.start },
        })
    };
    segments.iter().filter_map(piece).collect()
}

/// The bytes of a part of some content.
pub(crate) fn open(blobs: &dyn Blobs, content: &Content, range: ByteRange) -> ByteStream {
    match content {
        Content::Inline(bytes) => {
            let part = slice(bytes, range);
            Box::pin(stream::once(async move { part }))
        }
        Content::Segments(segments) => blobs.read(pieces_of(segments, range)),
    }
}

/// A part of bytes in memory.
fn slice(bytes: &Bytes, range: ByteRange) -> Result<Bytes> {
    let bound = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (bound(range.start), bound(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(Error::Internal("inline content is shorter than its row says".to_owned())),
    }
}

/// The bytes, once the first of them are here: a door then answers a dead backend with an error, not with a broken body.
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
    /// Its key.
    pub key: SegmentKey,
    /// Its length in bytes.
    pub size: u64,
    /// The hasher, having taken in the segment.
    pub hasher: Hasher,
    /// Why the body ended early, if it did: what came before is durable all the same.
    pub broken: Option<Error>,
}

/// Blob storage: local disk or a cloud.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Whether there is room for more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is so little left that database and garbage collection need it.
    fn admit(&self) -> Result<()>;

    /// Whether something was refused a moment ago for want of room, or would be now.
    fn is_short(&self) -> bool;

    /// Writes `head` and then `body` as one new segment, hashing on the way, in memory bounded whatever the length.
    /// When it returns, the bytes are durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the storage fails; then nothing of the segment counts.
    async fn write(&self, head: Bytes, body: ByteStream, hasher: Hasher) -> Result<Written>;

    /// Reads pieces one after the other, in bounded memory. Missing bytes are an error in the stream.
    fn read(&self, pieces: Vec<Piece>) -> ByteStream;

    /// Removes a segment that no transaction was ever asked to name. Best effort: the sweep finds what stays.
    async fn discard(&self, key: &SegmentKey);

    /// Whether the storage answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if not.
    async fn probe(&self) -> Result<()>;
}
