//! Errors in the JSON of the REST API: one object with everything that clients of any kind look for.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use zot_api::ErrorBody;
use zot_domain::Error;
use zot_domain::call::RequestId;
use zot_gateway::{Sender, message, noted};

/// What handlers return.
pub(crate) type Result<T, E = Failed> = std::result::Result<T, E>;

/// A request that failed. As a response it has no body until [`complete`], which knows the request's id, writes it.
#[derive(Clone)]
pub(crate) struct Failed(Arc<Error>);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the answer to a failed request.
pub(crate) async fn complete(request: Request, next: Next) -> Response {
    let id = Sender::of(request.extensions()).request_id;
    let mut response = next.run(request).await;
    let Some(Failed(error)) = response.extensions_mut().remove() else { return response };
    let (parts, _) = response.into_parts();
    let mut response = respond(&error, id);
    // what was observed, and the methods that are served
    response.extensions_mut().extend(parts.extensions);
    if let Some(methods) = parts.headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, methods.clone());
    }
    response
}

/// The answer to a failed request.
pub(crate) fn respond(error: &Error, request_id: RequestId) -> Response {
    let (status, code, kind) = place(error);
    let (message, retry) = (message(error), error.retry_after_secs());
    let body = ErrorBody {
        error: message.clone(),
        code: code.to_owned(),
        message,
        r#type: kind.to_owned(),
        retryable: retry.is_some(),
        request_id: request_id.to_string(),
        retry_after_seconds: retry,
    };
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zot-artifact-store\""));
    }
    noted(error, response)
}

/// Status, code and type. No wildcard: a new error has to be placed.
fn place(error: &Error) -> (StatusCode, &'static str, &'static str) {
    const CLIENT: &str = "client_error";
    match error {
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthorized", CLIENT),
        Error::CredentialsInvalid(_) => (StatusCode::UNAUTHORIZED, "token_invalid", CLIENT),
        Error::CredentialsExpired(_) => (StatusCode::UNAUTHORIZED, "token_expired", CLIENT),
        Error::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_permissions", CLIENT),
        Error::Denied(_) => (StatusCode::FORBIDDEN, "forbidden", CLIENT),
        Error::NotFound(_)
        | Error::NameUnknown(_)
        | Error::ManifestUnknown(_)
        | Error::BlobUnknown(_)
        | Error::UploadUnknown
        | Error::NoSuchBucket(_)
        | Error::NoSuchPolicy(_)
        | Error::NoSuchKey(_)
        | Error::NoSuchVersion(_)
        | Error::DeleteMarker { .. }
        | Error::NoSuchMultipart => (StatusCode::NOT_FOUND, "not_found", CLIENT),
        Error::BucketExists(_)
        | Error::BucketNotEmpty(_)
        | Error::PolicyExists(_)
        | Error::AccountExists(_)
        | Error::InTheWay(_) => (StatusCode::CONFLICT, "conflict", CLIENT),
        Error::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed", CLIENT),
        Error::NotModified => (StatusCode::NOT_MODIFIED, "not_modified", CLIENT),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "entity_too_large", CLIENT),
        Error::UploadOutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "invalid_range", CLIENT),
        Error::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, "bad_request", CLIENT),
        Error::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "not_implemented", "server_error"),
        Error::NameInvalid(_)
        | Error::TagInvalid(_)
        | Error::DigestInvalid(_)
        | Error::ManifestInvalid(_)
        | Error::ManifestBlobUnknown(_)
        | Error::UploadInvalid(_)
        | Error::BodyIncomplete
        | Error::ParameterInvalid(_)
        | Error::PageInvalid(_)
        | Error::PolicyMalformed(_)
        | Error::BucketNameInvalid(_)
        | Error::KeyInvalid(_)
        | Error::KeyTooLong
        | Error::PartInvalid(_)
        | Error::PartOrderInvalid
        | Error::PartTooSmall(_)
        | Error::ChecksumInvalid(_)
        | Error::ChecksumMalformed(_)
        | Error::ChecksumMismatch(_)
        | Error::SignedHashMismatch
        | Error::Md5Mismatch
        | Error::CopyUnchanged => (StatusCode::BAD_REQUEST, "bad_request", CLIENT),
        Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "service_unavailable", "transient_error"),
        Error::Conflict => (StatusCode::CONFLICT, "metadata_locked", "transient_error"),
        Error::Unavailable { component: "storage", .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "transient_error")
        }
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "transient_error"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "server_error"),
    }
}
