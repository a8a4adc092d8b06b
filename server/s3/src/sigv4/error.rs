//! Refusals with the codes of S3.

use std::borrow::Cow;
use std::error::Error;

use http::StatusCode;

/// Text for the client.
type Message = Cow<'static, str>;

/// Why a request, or the rest of its body, was refused.
///
/// Codes and statuses as on the page "Error responses" of the Amazon S3 API reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The caller may not do this, or not this way.
    #[error("{0}")]
    AccessDenied(Message),
    /// The `Authorization` header is malformed, or names something that is not supported.
    #[error("The authorization header is malformed; {0}")]
    AuthorizationHeaderMalformed(Message),
    /// The same for the parameters of a presigned URL.
    #[error("{0}")]
    AuthorizationQueryParametersError(Message),
    /// The body is not the one that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch,
    /// The body ended early, or is longer than announced.
    #[error("{0}")]
    IncompleteBody(Message),
    /// No such access key.
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId,
    /// A value that is not one of the known ones.
    #[error("{0}")]
    InvalidArgument(Message),
    #[error("{0}")]
    InvalidRequest(Message),
    /// Temporary credentials that are unknown, expired or given with another key.
    #[error("The provided token is malformed or otherwise invalid.")]
    InvalidToken,
    /// The path or the query is not percent-encoded UTF-8.
    #[error("Couldn't parse the specified URI.")]
    InvalidUri,
    /// A trailer that is broken, missing or was not announced.
    #[error("{0}")]
    MalformedTrailer(Message),
    /// A streamed upload without `x-amz-decoded-content-length`.
    #[error("You must provide the x-amz-decoded-content-length HTTP header.")]
    MissingContentLength,
    /// A form of authentication that is not supported.
    #[error("{0}")]
    NotImplemented(Message),
    /// The times of client and server differ too much.
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed,
    /// The signature does not match.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureDoesNotMatch,
}

impl AuthError {
    /// The code in the answer's `Code` element.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied(_) => "AccessDenied",
            Self::AuthorizationHeaderMalformed(_) => "AuthorizationHeaderMalformed",
            Self::AuthorizationQueryParametersError(_) => "AuthorizationQueryParametersError",
            Self::ContentSha256Mismatch => "XAmzContentSHA256Mismatch",
            Self::IncompleteBody(_) => "IncompleteBody",
            Self::InvalidAccessKeyId => "InvalidAccessKeyId",
            Self::InvalidArgument(_) => "InvalidArgument",
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::InvalidToken => "InvalidToken",
            Self::InvalidUri => "InvalidURI",
            Self::MalformedTrailer(_) => "MalformedTrailerError",
            Self::MissingContentLength => "MissingContentLength",
            Self::NotImplemented(_) => "NotImplemented",
            Self::RequestTimeTooSkewed => "RequestTimeTooSkewed",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::AccessDenied(_)
            | Self::InvalidAccessKeyId
            | Self::RequestTimeTooSkewed
            | Self::SignatureDoesNotMatch => StatusCode::FORBIDDEN,
            Self::MissingContentLength => StatusCode::LENGTH_REQUIRED,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::AuthorizationHeaderMalformed(_)
            | Self::AuthorizationQueryParametersError(_)
            | Self::ContentSha256Mismatch
            | Self::IncompleteBody(_)
            | Self::InvalidArgument(_)
            | Self::InvalidRequest(_)
            | Self::InvalidToken
            | Self::InvalidUri
            | Self::MalformedTrailer(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The text for the client; it holds no secret.
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// The refusal behind an error of a body that [`super::Front::authenticate`] returned, if it is one and not a broken
/// connection.
pub fn stream_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a AuthError> {
    cause(error)
}

/// The error of that type among an error and its sources.
pub(crate) fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
