//! How a request describes its body: the table of `x-amz-content-sha256` on the page "Authenticating Requests: Using the
//! Authorization Header".

use super::error::AuthError;

/// Header with the digest, or the kind, of the body.
pub(super) const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// The value for a body that is not signed.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How the body is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    Unsigned,
    /// Unchanged; it must have this digest.
    Sha256([u8; 32]),
    Signed {
        /// Whether a signed trailer follows.
        trailer: bool,
    },
    /// In chunks without signatures, with a trailer.
    UnsignedTrailer,
}

impl Payload {
    /// Parses the header's value.
    pub(super) fn parse(value: &str) -> Result<Self, AuthError> {
        match value {
            UNSIGNED => Ok(Self::Unsigned),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedTrailer),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::Signed { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::Signed { trailer: true }),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                Err(AuthError::NotImplemented("Signature Version 4A is not implemented.".into()))
            }
            _ => {
                let mut digest = [0; 32];
                hex::decode_to_slice(value, &mut digest).map_err(|_| unknown())?;
                Ok(Self::Sha256(digest))
            }
        }
    }
}

fn unknown() -> AuthError {
    let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                   STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 \
                   value.";
    AuthError::InvalidArgument(message.into())
}
