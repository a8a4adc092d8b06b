//! Reads the first bytes of a body into memory, to distinguish small content from large.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::error::{Error, Result};
use crate::ports::blobs::ByteStream;

/// The beginning of a body.
pub(crate) struct Head {
    /// Its first bytes: all of them if `ended`.
    pub bytes: Bytes,
    pub ended: bool,
    /// Why it ended early, if it did.
    pub broken: Option<Error>,
}

/// Reads `body` until it ends or more than `limit` bytes are in memory.
pub(crate) async fn head(body: &mut ByteStream, prefix: Bytes, limit: usize) -> Head {
    let mut bytes = BytesMut::from(prefix);
    while bytes.len() <= limit {
        match body.next().await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(error)) => return Head { bytes: bytes.freeze(), ended: true, broken: Some(error) },
            None => return Head { bytes: bytes.freeze(), ended: true, broken: None },
        }
    }
    Head { bytes: bytes.freeze(), ended: false, broken: None }
}

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn whole(mut body: ByteStream, limit: u64) -> Result<Bytes> {
    let head = head(&mut body, Bytes::new(), usize::try_from(limit).unwrap_or(usize::MAX)).await;
    match head.broken {
        Some(error) => Err(error),
        None if head.bytes.len() as u64 > limit => Err(Error::TooLarge { limit }),
        None => Ok(head.bytes),
    }
}
