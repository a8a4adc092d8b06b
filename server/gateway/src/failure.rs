//! What every failed request has in common, whatever its dialect: a log line, a fault for the metrics, `Retry-After`.

use axum::http::header;
use axum::response::Response;
use zot_domain::Error;
use zot_domain::observed::Fault;

/// Completes the answer to a failed request.
pub fn noted(error: &Error, mut response: Response) -> Response {
    match error {
        Error::Unavailable { component, source } => {
            tracing::error!(component, error = %source, "a component is not available");
        }
        Error::Internal(_) => tracing::error!(%error, "internal error"),
        _ => tracing::debug!(%error, status = response.status().as_u16(), "refused"),
    }
    if let Some(fault) = Fault::of(error) {
        response.extensions_mut().insert(fault);
    }
    if let Some(seconds) = error.retry_after_secs() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// What a client is told: of a fault of ours nothing but that it is one.
pub fn message(error: &Error) -> String {
    match error {
        Error::Internal(_) => "internal server error".to_owned(),
        shown => shown.to_string(),
    }
}
