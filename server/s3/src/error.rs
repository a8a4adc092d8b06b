//! Errors in the words of S3: the one place that maps the store's errors to codes and statuses.
//!
//! Source: S3 API reference, *Error responses*.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};
use zot_domain::Error;

/// The S3 error of a domain error.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn to_s3(error: Error) -> S3Error {
    let (code, status) = code_of(&error);
    let message = match &error {
        Error::Internal(_) => "We encountered an internal error. Please try again.".to_owned(),
        Error::SignedHashMismatch => "x-amz-content-sha256 is not the SHA-256 of the body".to_owned(),
        Error::Md5Mismatch => "Content-MD5 is not the MD5 of the body".to_owned(),
        Error::ChecksumMalformed(algorithm) => {
            format!("the value of x-amz-checksum-{} is malformed", algorithm.as_str().to_lowercase())
        }
        Error::CopyUnchanged => {
            "a copy onto itself must change something, such as x-amz-metadata-directive: REPLACE".to_owned()
        }
        shown => shown.to_string(),
    };
    match &error {
        Error::Internal(_) => tracing::error!(%error, "internal error"),
        Error::Unavailable { component, source } => {
            tracing::error!(component, error = %source, "a component is not available");
        }
        _ => tracing::debug!(%error, code = code.as_str(), "refused"),
    }
    let mut answer = S3Error::with_message(code, message);
    answer.set_status_code(status);
    let mut headers = HeaderMap::new();
    if let Some(seconds) = error.retry_after_secs() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Error::DeleteMarker { version_id, asked } = &error {
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
        if let Ok(version) = HeaderValue::from_str(version_id) {
            headers.insert("x-amz-version-id", version);
        }
        if *asked {
            headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        }
    }
    if !headers.is_empty() {
        answer.set_headers(headers);
    }
    answer
}

/// An error whose code the codec does not know.
pub(crate) fn custom(code: &str, status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

/// No wildcard: a new error has to be placed.
fn code_of(error: &Error) -> (S3ErrorCode, StatusCode) {
    use S3ErrorCode as Code;
    match error {
        Error::BucketNameInvalid(_) | Error::NameInvalid(_) => (Code::InvalidBucketName, StatusCode::BAD_REQUEST),
        Error::NoSuchBucket(_) | Error::NameUnknown(_) => (Code::NoSuchBucket, StatusCode::NOT_FOUND),
        Error::PolicyMalformed(_) => (Code::MalformedPolicy, StatusCode::BAD_REQUEST),
        Error::NoSuchPolicy(_) => (Code::NoSuchBucketPolicy, StatusCode::NOT_FOUND),
        Error::PolicyExists(_) | Error::AccountExists(_) | Error::InTheWay(_) => {
            (Code::InvalidRequest, StatusCode::CONFLICT)
        }
        Error::BucketExists(_) => (Code::BucketAlreadyOwnedByYou, StatusCode::CONFLICT),
        Error::BucketNotEmpty(_) => (Code::BucketNotEmpty, StatusCode::CONFLICT),
        Error::KeyInvalid(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        Error::KeyTooLong => (Code::KeyTooLongError, StatusCode::BAD_REQUEST),
        Error::NoSuchKey(_) => (Code::NoSuchKey, StatusCode::NOT_FOUND),
        Error::NoSuchVersion(_) => (Code::NoSuchVersion, StatusCode::NOT_FOUND),
        Error::DeleteMarker { asked: false, .. } => (Code::NoSuchKey, StatusCode::NOT_FOUND),
        Error::DeleteMarker { asked: true, .. } => (Code::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED),
        Error::NoSuchMultipart | Error::UploadUnknown => (Code::NoSuchUpload, StatusCode::NOT_FOUND),
        Error::PartInvalid(_) => (Code::InvalidPart, StatusCode::BAD_REQUEST),
        Error::PartOrderInvalid => (Code::InvalidPartOrder, StatusCode::BAD_REQUEST),
        Error::PartTooSmall(_) => (Code::EntityTooSmall, StatusCode::BAD_REQUEST),
        Error::PreconditionFailed => (Code::PreconditionFailed, StatusCode::PRECONDITION_FAILED),
        Error::NotModified => (Code::NotModified, StatusCode::NOT_MODIFIED),
        Error::ChecksumInvalid(_) | Error::ChecksumMalformed(_) => (Code::InvalidRequest, StatusCode::BAD_REQUEST),
        Error::ChecksumMismatch(_) | Error::SignedHashMismatch | Error::Md5Mismatch | Error::DigestInvalid(_) => {
            (Code::BadDigest, StatusCode::BAD_REQUEST)
        }
        Error::BodyIncomplete => (Code::IncompleteBody, StatusCode::BAD_REQUEST),
        Error::TooLarge { .. } => (Code::EntityTooLarge, StatusCode::BAD_REQUEST),
        Error::ParameterInvalid(_)
        | Error::CopyUnchanged
        | Error::PageInvalid(_)
        | Error::TagInvalid(_)
        | Error::ManifestInvalid(_)
        | Error::ManifestBlobUnknown(_)
        | Error::UploadInvalid(_)
        | Error::UploadOutOfOrder { .. } => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        Error::NotFound(_) | Error::ManifestUnknown(_) | Error::BlobUnknown(_) => {
            (Code::NoSuchKey, StatusCode::NOT_FOUND)
        }
        Error::Unauthenticated | Error::Denied(_) | Error::InsufficientScope(_) => {
            (Code::AccessDenied, StatusCode::FORBIDDEN)
        }
        Error::CredentialsInvalid(_) => (Code::InvalidAccessKeyId, StatusCode::FORBIDDEN),
        Error::CredentialsExpired(_) => (Code::ExpiredToken, StatusCode::BAD_REQUEST),
        Error::NotImplemented(_) => (Code::NotImplemented, StatusCode::NOT_IMPLEMENTED),
        Error::Unsupported(_) => (Code::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED),
        Error::TooManyRequests(_) => (Code::SlowDown, StatusCode::SERVICE_UNAVAILABLE),
        Error::Conflict => (Code::OperationAborted, StatusCode::CONFLICT),
        Error::Unavailable { .. } => (Code::ServiceUnavailable, StatusCode::SERVICE_UNAVAILABLE),
        Error::Internal(_) => (Code::InternalError, StatusCode::INTERNAL_SERVER_ERROR),
    }
}
