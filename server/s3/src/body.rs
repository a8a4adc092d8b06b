//! Bodies between HTTP and the use cases: they end at a limit, and record why they fail.

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

/// Fails the body with [`Error::TooLarge`] after `most` bytes.
pub(crate) fn limited(body: Body, most: u64) -> Body {
    let limited = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
    Body::new(limited.map_err(move |error| -> BoxError {
        if error.is::<LengthLimitError>() { Box::new(Error::TooLarge { limit: most }) } else { error }
    }))
}

/// The signature error of a body, found while it was read.
#[derive(Clone, Default)]
pub(crate) struct BodyFailure(Arc<Mutex<Option<AuthError>>>);

impl BodyFailure {
    pub(crate) fn take(&self) -> Option<AuthError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The request, with a body that records why it fails.
pub(crate) fn recorded(request: Request<Body>) -> (Request<Body>, BodyFailure) {
    let failure = BodyFailure::default();
    let record = failure.clone();
    let request = request.map(|body| {
        Body::new(body.map_err(move |error| {
            if let Some(refused) = stream_error(&error) {
                *record.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
            }
            error
        }))
    });
    (request, failure)
}

/// A request's body for a use case.
pub(crate) fn incoming(body: Option<StreamingBlob>) -> ByteStream {
    let Some(body) = body else { return Box::pin(futures_util::stream::empty()) };
    Box::pin(body.map(|chunk| chunk.map_err(|error| error_of(&*error))))
}

/// The error of a body that failed. Bad content is the client's error. Anything else means that it disconnected.
pub(crate) fn error_of(error: &(dyn StdError + 'static)) -> Error {
    if let Some(refused) = stream_error(error) {
        return Error::BodyMismatch(refused.to_string());
    }
    match cause::<Error>(error) {
        Some(Error::TooLarge { limit }) => Error::TooLarge { limit: *limit },
        _ => Error::BodyIncomplete,
    }
}

pub(crate) fn outgoing(bytes: ByteStream) -> StreamingBlob {
    StreamingBlob::wrap(sync_wrapper::SyncStream::new(bytes))
}
