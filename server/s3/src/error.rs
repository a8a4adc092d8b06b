//! S3 errors: the only place that maps domain errors to S3 codes and statuses.
//!
//! Source: S3 API reference, *Error responses*.

mod document;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};
use zot_core::Invalid;
use zot_domain::bucket::multipart::PART_MIN;
use zot_domain::{Error, MayBeCommon, ObjectError};

pub(crate) use document::{Named, completed, invalid_argument, with_elements};

/// The S3 error of a domain error.
pub(crate) fn to_s3(error: impl Into<ObjectError>) -> S3Error {
    let error = error.into();
    let (code, status) = code_of(&error);
    match error.common() {
        Some(Error::Internal(_)) => tracing::error!(%error, "internal error"),
        Some(Error::Unavailable { component, source }) => {
            tracing::error!(component, error = %source, "a component is not available");
        }
        _ => tracing::debug!(%error, code = code.as_str(), "refused"),
    }
    let mut answer = S3Error::with_message(code, message(&error));
    answer.set_status_code(status);
    let mut headers = HeaderMap::new();
    if let Some(seconds) = error.common().and_then(Error::retry_after_secs) {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let ObjectError::DeleteMarker { version_id, asked } = &error {
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
        if let Ok(version) = HeaderValue::from_str(version_id) {
            headers.insert("x-amz-version-id", version);
        }
        if *asked {
            headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        }
    }
    if !headers.is_empty() {
        // these replace all headers of the codec
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        answer.set_headers(headers);
    }
    match elements(&error).as_slice() {
        [] => answer,
        elements => {
            with_elements(answer, &elements.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
        }
    }
}

/// The elements of the error's document that say what it is about.
fn elements(error: &ObjectError) -> Vec<(&'static str, String)> {
    match error {
        ObjectError::NoSuchBucket(name)
        | ObjectError::NoSuchPolicy(name)
        | ObjectError::BucketExists(name)
        | ObjectError::BucketNotEmpty(name) => vec![("BucketName", name.clone())],
        ObjectError::NoSuchKey(key) => vec![("Key", key.clone())],
        ObjectError::NoSuchVersion(version) => vec![("VersionId", version.clone())],
        ObjectError::PartInvalid(number) => vec![("PartNumber", number.to_string())],
        ObjectError::PartNumberInvalid(number) => {
            vec![("ArgumentName", "partNumber".to_owned()), ("ArgumentValue", number.to_string())]
        }
        ObjectError::RangeBeyondSource(size) => vec![("ActualObjectSize", size.to_string())],
        ObjectError::PartTooSmall(number) => {
            vec![("PartNumber", number.to_string()), ("MinSizeAllowed", PART_MIN.to_string())]
        }
        ObjectError::DeleteMarker { version_id, .. } => vec![("VersionId", version_id.clone())],
        ObjectError::Common(_)
        | ObjectError::NoSuchMultipart
        | ObjectError::PartOrderInvalid
        | ObjectError::PreconditionFailed
        | ObjectError::NotModified
        | ObjectError::ChecksumMismatch(_)
        | ObjectError::SignedHashMismatch
        | ObjectError::Md5Mismatch
        | ObjectError::ChecksumMalformed(_)
        | ObjectError::SizeMismatch(_)
        | ObjectError::CopyUnchanged => Vec::new(),
    }
}

/// The error's text, with S3's header names.
fn message(error: &ObjectError) -> String {
    match error {
        ObjectError::Common(Error::Internal(_)) => "We encountered an internal error. Please try again.".to_owned(),
        ObjectError::SignedHashMismatch => "x-amz-content-sha256 is not the SHA-256 of the body".to_owned(),
        ObjectError::Md5Mismatch => "Content-MD5 is not the MD5 of the body".to_owned(),
        ObjectError::ChecksumMalformed(algorithm) => {
            format!("the value of x-amz-checksum-{} is malformed", algorithm.as_str().to_lowercase())
        }
        ObjectError::CopyUnchanged => {
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes."
                .to_owned()
        }
        shown => shown.to_string(),
    }
}

/// An error whose code the codec does not know.
pub(crate) fn custom(code: &str, status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

/// No wildcard: a new error has to be placed.
fn code_of(error: &ObjectError) -> (S3ErrorCode, StatusCode) {
    use S3ErrorCode as Code;
    match error {
        ObjectError::Common(error) => common_code(error),
        ObjectError::NoSuchBucket(_) => (Code::NoSuchBucket, StatusCode::NOT_FOUND),
        ObjectError::NoSuchPolicy(_) => (Code::NoSuchBucketPolicy, StatusCode::NOT_FOUND),
        ObjectError::BucketExists(_) => (Code::BucketAlreadyOwnedByYou, StatusCode::CONFLICT),
        ObjectError::BucketNotEmpty(_) => (Code::BucketNotEmpty, StatusCode::CONFLICT),
        ObjectError::NoSuchKey(_) => (Code::NoSuchKey, StatusCode::NOT_FOUND),
        ObjectError::NoSuchVersion(_) => (Code::NoSuchVersion, StatusCode::NOT_FOUND),
        ObjectError::DeleteMarker { asked: false, .. } => (Code::NoSuchKey, StatusCode::NOT_FOUND),
        ObjectError::DeleteMarker { asked: true, .. } => (Code::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED),
        ObjectError::NoSuchMultipart => (Code::NoSuchUpload, StatusCode::NOT_FOUND),
        ObjectError::PartInvalid(_) => (Code::InvalidPart, StatusCode::BAD_REQUEST),
        ObjectError::PartOrderInvalid => (Code::InvalidPartOrder, StatusCode::BAD_REQUEST),
        ObjectError::PartTooSmall(_) => (Code::EntityTooSmall, StatusCode::BAD_REQUEST),
        ObjectError::PreconditionFailed => (Code::PreconditionFailed, StatusCode::PRECONDITION_FAILED),
        ObjectError::NotModified => (Code::NotModified, StatusCode::NOT_MODIFIED),
        ObjectError::ChecksumMalformed(_) => (Code::InvalidRequest, StatusCode::BAD_REQUEST),
        ObjectError::ChecksumMismatch(_) | ObjectError::SignedHashMismatch | ObjectError::Md5Mismatch => {
            (Code::BadDigest, StatusCode::BAD_REQUEST)
        }
        ObjectError::CopyUnchanged | ObjectError::SizeMismatch(_) => (Code::InvalidRequest, StatusCode::BAD_REQUEST),
        ObjectError::PartNumberInvalid(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        ObjectError::RangeBeyondSource(_) => (Code::InvalidRange, StatusCode::RANGE_NOT_SATISFIABLE),
    }
}

fn common_code(error: &Error) -> (S3ErrorCode, StatusCode) {
    use S3ErrorCode as Code;
    match error {
        Error::Invalid(invalid) => (invalid_code(invalid), StatusCode::BAD_REQUEST),
        Error::BodyIncomplete => (Code::IncompleteBody, StatusCode::BAD_REQUEST),
        Error::BodyMismatch(_) => (Code::BadDigest, StatusCode::BAD_REQUEST),
        Error::TooLarge { .. } => (Code::EntityTooLarge, StatusCode::BAD_REQUEST),
        Error::ParameterInvalid(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        Error::NotFound(_) => (Code::NoSuchKey, StatusCode::NOT_FOUND),
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

fn invalid_code(invalid: &Invalid) -> S3ErrorCode {
    use S3ErrorCode as Code;
    match invalid {
        Invalid::Bucket(_) | Invalid::Repository(_) => Code::InvalidBucketName,
        Invalid::Policy(_) => Code::MalformedPolicy,
        Invalid::KeyTooLong => Code::KeyTooLongError,
        Invalid::Checksum(_) => Code::InvalidRequest,
        Invalid::Digest(_) => Code::BadDigest,
        Invalid::Key(_) | Invalid::Tag(_) | Invalid::Manifest(_) | Invalid::Parameter(_) | Invalid::HashState => {
            Code::InvalidArgument
        }
    }
}
