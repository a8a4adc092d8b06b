//! Errors of the REST API: one JSON object with the fields that all kinds of clients read.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use zot_api::ErrorBody;
use zot_domain::call::RequestId;
use zot_domain::{AdministrationError, Error, MayBeCommon, ObjectError};
use zot_gateway::{Sender, message, noted};

/// What handlers return.
pub(crate) type Result<T, E = Failed> = std::result::Result<T, E>;

/// A failed request. As a response it has no body. [`complete`], which knows the request's id, writes one.
#[derive(Clone)]
pub(crate) struct Failed(Arc<dyn Fn(RequestId) -> Response + Send + Sync>);

impl<E: Placed> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(Arc::new(move |request_id| respond(&error, request_id)))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a failed request's response.
pub(crate) async fn complete(request: Request, next: Next) -> Response {
    let id = Sender::of(request.extensions()).request_id;
    let mut response = next.run(request).await;
    let Some(Failed(answer)) = response.extensions_mut().remove() else { return response };
    let (parts, _) = response.into_parts();
    let mut response = answer(id);
    // observations for the log, and the supported methods
    response.extensions_mut().extend(parts.extensions);
    if let Some(methods) = parts.headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, methods.clone());
    }
    response
}

/// The response to a failed request.
pub(crate) fn respond(error: &impl Placed, request_id: RequestId) -> Response {
    let (status, code, kind) = error.place();
    let (message, retry) = (message(error), error.common().and_then(Error::retry_after_secs));
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

/// Status, code and type.
type Place = (StatusCode, &'static str, &'static str);

const CLIENT: &str = "client_error";
const BAD_REQUEST: Place = (StatusCode::BAD_REQUEST, "bad_request", CLIENT);
const NOT_FOUND: Place = (StatusCode::NOT_FOUND, "not_found", CLIENT);
const CONFLICT: Place = (StatusCode::CONFLICT, "conflict", CLIENT);

/// An error that this API can return. There is no wildcard, so a new error needs a status and code.
pub(crate) trait Placed: MayBeCommon {
    /// Its status, code and type.
    fn place(&self) -> Place;
}

impl Placed for AdministrationError {
    fn place(&self) -> Place {
        match self {
            Self::Common(error) => error.place(),
            Self::PolicyExists(_) | Self::AccountExists(_) | Self::StateConflict(_) => CONFLICT,
        }
    }
}

impl Placed for ObjectError {
    fn place(&self) -> Place {
        match self {
            Self::Common(error) => error.place(),
            Self::NoSuchBucket(_)
            | Self::NoSuchPolicy(_)
            | Self::NoSuchKey(_)
            | Self::NoSuchVersion(_)
            | Self::DeleteMarker { .. }
            | Self::NoSuchMultipart => NOT_FOUND,
            Self::BucketExists(_) | Self::BucketNotEmpty(_) => CONFLICT,
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed", CLIENT),
            Self::NotModified => (StatusCode::NOT_MODIFIED, "not_modified", CLIENT),
            Self::PartInvalid(_)
            | Self::PartOrderInvalid
            | Self::PartTooSmall(_)
            | Self::PartNumberInvalid(_)
            | Self::RangeBeyondSource(_)
            | Self::SizeMismatch(_)
            | Self::ChecksumMalformed(_)
            | Self::ChecksumMismatch(_)
            | Self::SignedHashMismatch
            | Self::Md5Mismatch
            | Self::CopyUnchanged => BAD_REQUEST,
        }
    }
}

impl Placed for Error {
    fn place(&self) -> Place {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthorized", CLIENT),
            Self::CredentialsInvalid(_) => (StatusCode::UNAUTHORIZED, "token_invalid", CLIENT),
            Self::CredentialsExpired(_) => (StatusCode::UNAUTHORIZED, "token_expired", CLIENT),
            Self::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_permissions", CLIENT),
            Self::Denied(_) => (StatusCode::FORBIDDEN, "forbidden", CLIENT),
            Self::NotFound(_) => NOT_FOUND,
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "entity_too_large", CLIENT),
            Self::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, "bad_request", CLIENT),
            Self::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "not_implemented", "server_error"),
            Self::Invalid(_) | Self::BodyIncomplete | Self::BodyMismatch(_) | Self::ParameterInvalid(_) => BAD_REQUEST,
            Self::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "service_unavailable", "transient_error"),
            Self::Conflict => (StatusCode::CONFLICT, "metadata_locked", "transient_error"),
            Self::Unavailable { component: "storage", .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "transient_error")
            }
            Self::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "transient_error"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "server_error"),
        }
    }
}
