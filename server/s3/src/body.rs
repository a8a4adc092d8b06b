//! Bodies between HTTP and the use cases: cut off at a limit, and with the reason why one broke.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};

use axum::BoxError;
use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use s3s::dto::StreamingBlob;
use zot_domain::Error;
use zot_domain::ports::blobs::ByteStream;

use crate::sigv4::{AuthError, cause, stream_error};

/// The body, which breaks with [`Error::TooLarge`] behind `most` bytes.
pub(crate) fn limited(body: Body, most: u64) -> Body {
    let limited = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
    Body::new(limited.map_err(move |error| -> BoxError {
        if error.is::<LengthLimitError>() { Box::new(Error::TooLarge { limit: most }) } else { error }
    }))
}

/// What went wrong with a body's signature while it was read.
#[derive(Clone, Default)]
pub(crate) struct Spoiled(Arc<Mutex<Option<AuthError>>>);

impl Spoiled {
    pub(crate) fn take(&self) -> Option<AuthError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The request with a body that notes why it breaks.
pub(crate) fn watched(request: Request<Body>) -> (Request<Body>, Spoiled) {
    let spoiled = Spoiled::default();
    let note = spoiled.clone();
    let request = request.map(|body| {
        Body::new(body.map_err(move |error| {
            if let Some(refused) = stream_error(&error) {
                *note.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
            }
            error
        }))
    });
    (request, spoiled)
}

/// A request's body for a use case.
pub(crate) fn incoming(body: Option<StreamingBlob>) -> ByteStream {
    let Some(body) = body else { return Box::pin(futures_util::stream::empty()) };
    Box::pin(body.map(|chunk| chunk.map_err(|error| broken(&*error))))
}

/// Why a body broke: what was refused in it is an error of the client, all else a client that went away.
pub(crate) fn broken(error: &(dyn StdError + 'static)) -> Error {
    if let Some(refused) = stream_error(error) {
        return Error::BodyMismatch(refused.to_string());
    }
    match cause::<Error>(error) {
        Some(Error::TooLarge { limit }) => Error::TooLarge { limit: *limit },
        _ => Error::BodyIncomplete,
    }
}

/// A response's body.
pub(crate) fn outgoing(bytes: ByteStream) -> StreamingBlob {
    StreamingBlob::wrap(sync_wrapper::SyncStream::new(bytes))
}
