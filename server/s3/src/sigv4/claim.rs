//! The claim of a signed request, from the header or the query.

use std::borrow::Cow;

use super::Config;
use super::error::AuthError;
use super::payload::Payload;
use super::scope::{Scope, Stamp};

/// The only supported algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The header, and the query parameter, with the token of temporary credentials.
pub(super) const SECURITY_TOKEN: &str = "x-amz-security-token";

/// The parts of a signature, before verification.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) scope: Scope,
    pub(super) stamp: Stamp,
    pub(super) signed: Vec<String>,
    pub(super) signature: String,
    pub(super) token: Option<String>,
    pub(super) presigned: bool,
    /// The last line of the canonical request.
    pub(super) payload_line: String,
    pub(super) payload: Payload,
}

/// The error for malformed credentials in the header or in the query.
pub(super) fn malformed(presigned: bool, message: impl Into<Cow<'static, str>>) -> AuthError {
    if presigned {
        AuthError::AuthorizationQueryParametersError(message.into())
    } else {
        AuthError::AuthorizationHeaderMalformed(message.into())
    }
}

/// Reads `access-key/date/region/service/aws4_request`.
pub(super) fn credential(text: &str, presigned: bool) -> Result<(String, Scope), AuthError> {
    Scope::parse(text).ok_or_else(|| {
        let message = "the Credential is mal-formed; expecting \
                       \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
        malformed(presigned, message)
    })
}

/// Reads `SignedHeaders`: names in lower case, each once. The order is the client's.
pub(super) fn signed_headers(text: &str, presigned: bool) -> Result<Vec<String>, AuthError> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(';') {
        let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
        if !fits || names.iter().any(|known| known == name) {
            return Err(malformed(presigned, "the SignedHeaders are not names in lower case, each given once."));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

impl Claim {
    /// Whether the scope is one of this API: its service, region and day.
    pub(super) fn check_scope(&self, config: &Config) -> Result<(), AuthError> {
        let Scope { date, region, service } = &self.scope;
        if service != "s3" && !(config.allow_sts && service == "sts") {
            let message = format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".");
            return Err(malformed(self.presigned, message));
        }
        if let Some(wanted) = &config.region
            && wanted != region
        {
            return Err(malformed(self.presigned, format!("the region '{region}' is wrong; expecting '{wanted}'")));
        }
        if self.stamp.text.get(..8) != Some(date) {
            let message = format!("Invalid credential date \"{date}\". This date is not the same as X-Amz-Date.");
            return Err(malformed(self.presigned, message));
        }
        Ok(())
    }
}
