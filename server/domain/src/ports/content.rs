//! Where the bytes of a blob are, for both ports.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use zot_core::digest::Digest;
use zot_core::hash::Digests;
use zot_core::range::ByteRange;

use crate::error::{Error, Result};

/// Content up to this many bytes lives in the database.
pub const INLINE_MAX: usize = 16 * 1024;

#[derive(Clone, Debug)]
pub enum Content {
    Inline(Bytes),
    /// In blob storage, ordered by their start and without gaps.
    Segments(Vec<Segment>),
}

/// A durable part of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub key: SegmentKey,
    /// Its offset in the blob.
    pub start: u64,
    /// In bytes.
    pub size: u64,
    /// Its own SHA-256, where it was computed anyway.
    pub sha256: Option<Digest>,
}

/// A blob that a repository may serve.
#[derive(Clone, Debug)]
pub struct BlobContent {
    /// In bytes.
    pub size: u64,
    pub content: Content,
}

/// Durable or small bytes that a transaction will reference.
#[derive(Clone, Debug)]
pub struct NewContent {
    pub digests: Digests,
    pub size: u64,
    /// For a session: only what the session does not have yet.
    pub content: Content,
}

/// The opaque, time-ordered key of a segment: a UUIDv7 that is never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey(uuid::Uuid);

impl SegmentKey {
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        Self(zot_core::ambient::ordered_id())
    }

    /// Two hex digits of the random part, so that keys of one moment spread over many prefixes.
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

#[derive(Clone, Debug)]
pub struct Piece {
    pub key: SegmentKey,
    pub range: ByteRange,
}

/// The parts of segments that make up a range of their blob.
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
