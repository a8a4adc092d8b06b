//! What all failed requests share, in every dialect: a log line, a fault for the metrics, `Retry-After`.

use axum::http::header;
use axum::response::Response;
use zot_domain::observed::Fault;
use zot_domain::{Error, MayBeCommon};

/// Completes the response to a failed request.
pub fn noted(error: &impl MayBeCommon, mut response: Response) -> Response {
    let common = error.common();
    match common {
        Some(Error::Unavailable { component, source }) => {
            tracing::error!(component, error = %source, "a component is not available");
        }
        Some(Error::Internal(_)) => tracing::error!(%error, "internal error"),
        _ => tracing::debug!(%error, status = response.status().as_u16(), "refused"),
    }
    if let Some(fault) = common.and_then(Fault::of) {
        response.extensions_mut().insert(fault);
    }
    if let Some(seconds) = common.and_then(Error::retry_after_secs) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The text for the client: internal errors are not described.
pub fn message(error: &impl MayBeCommon) -> String {
    match error.common() {
        Some(Error::Internal(_)) => "internal server error".to_owned(),
        _ => error.to_string(),
    }
}
