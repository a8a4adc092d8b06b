//! Errors in the JSON of the REST door: one object with everything that clients of any kind look for.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use zot_domain::Error;
use zot_domain::call::RequestId;

use crate::failure::{message, noted};

/// Why a request failed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error, example = json!({
    "error": "there is no policy \"open\"", "code": "not_found", "message": "there is no policy \"open\"",
    "type": "client_error", "retryable": false, "requestId": "01981f2e-6f0a-7cc2-a1f7-0f6f2a5d9c11",
}))]
pub(crate) struct Failure {
    /// The message again, for clients that look for it here.
    error: String,
    /// What kind of error it is, for programs.
    code: &'static str,
    /// What is wrong, for people.
    message: String,
    /// Whose fault it is.
    #[schema(pattern = "^(client|server|transient)_error$")]
    r#type: &'static str,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// The request, as logs and the header `X-Request-Id` name it.
    request_id: String,
    /// When that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// The answer to a failed request.
pub(crate) fn respond(error: &Error, request_id: RequestId) -> Response {
    let (status, code, kind) = place(error);
    let (message, retry) = (message(error), error.retry_after_secs());
    let body = Failure {
        error: message.clone(),
        code,
        message,
        r#type: kind,
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
        | Error::ChecksumMismatch(_) => (StatusCode::BAD_REQUEST, "bad_request", CLIENT),
        Error::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "service_unavailable", "transient_error"),
        Error::Conflict => (StatusCode::CONFLICT, "metadata_locked", "transient_error"),
        Error::Unavailable { component: "storage", .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "transient_error")
        }
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "transient_error"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "server_error"),
    }
}
