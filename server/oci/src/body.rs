//! Request bodies as streams with a limit, and response bodies whose first bytes are read before the status is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::header;
use axum::http::request::Parts;
use futures_util::{StreamExt as _, stream};
use zot_domain::ports::blobs::{ByteStream, begun};
use zot_domain::{ArtifactError, Error, Result};

/// The announced length of a request's body.
pub(crate) fn announced(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A request's body. A body that announces more than `limit` bytes is refused at once. A body that is longer than the
/// limit, or than announced, fails there.
///
/// # Errors
/// [`Error::TooLarge`]; [`ArtifactError::UploadInvalid`] for a body in a content encoding: its digest would be ambiguous.
pub(crate) fn incoming(parts: &Parts, body: Body, limit: Option<u64>) -> Result<ByteStream, ArtifactError> {
    if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ArtifactError::UploadInvalid(
            "Content-Encoding is not supported; send the blob without one".to_owned(),
        ));
    }
    let limit = limit.unwrap_or(u64::MAX);
    if announced(parts).is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit }.into());
    }
    let received = Arc::new(AtomicU64::new(0));
    let chunks = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(|_| Error::BodyIncomplete)?;
        let sum = received.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if sum > limit { Err(Error::TooLarge { limit }) } else { Ok(chunk) }
    });
    Ok(match announced(parts) {
        Some(length) => exactly(Box::pin(chunks), length),
        None => Box::pin(chunks),
    })
}

/// A body of that many bytes. It fails if it is longer or shorter.
pub(crate) fn exactly(bytes: ByteStream, length: u64) -> ByteStream {
    Box::pin(stream::try_unfold((bytes, length), |(mut bytes, left)| async move {
        match bytes.next().await.transpose()? {
            Some(chunk) => {
                let left = left.checked_sub(chunk.len() as u64).ok_or(Error::BodyIncomplete)?;
                Ok(Some((chunk, (bytes, left))))
            }
            None if left > 0 => Err(Error::BodyIncomplete),
            None => Ok(None),
        }
    }))
}

/// A response body. It waits for the first bytes, so that a failed backend is a 503 and not an incomplete 200.
pub(crate) async fn outgoing(bytes: ByteStream) -> Result<Body, ArtifactError> {
    Ok(Body::from_stream(begun(bytes).await?))
}
