//! The query of a request.

use super::error::AuthError;
use super::uri::{decode_form, encode};

/// Parameters of a presigned URL, taken out once it is verified: "Authenticating Requests: Using Query Parameters".
const SIGNING: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Decoded pairs, in the order sent.
///
/// Read as an HTML form, where `+` is a space, because the codec reads it so too: what is verified is what is served.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after the question mark.
    pub(super) fn parse(raw: &str) -> Result<Self, AuthError> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_form(name)?, decode_form(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a parameter is there. Names are compared without case, so that no other spelling is missed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
    }

    /// A parameter that may come once.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, AuthError> {
        let mut found = self.0.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = found.next();
        if found.next().is_some() {
            let message = format!("The query parameter {name} must be given once.");
            return Err(AuthError::AuthorizationQueryParametersError(message.into()));
        }
        Ok(value.map(|(_, value)| value.as_str()))
    }

    /// Whether it has any parameter of a signature.
    pub(super) fn is_presigned(&self) -> bool {
        ["x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-signedheaders"]
            .iter()
            .any(|name| self.has(name))
    }

    /// Whether it has a signature of version 2 ("Signing and authenticating REST requests", now withdrawn).
    pub(super) fn is_version_2(&self) -> bool {
        self.has("AWSAccessKeyId") || (self.has("Signature") && self.has("Expires"))
    }

    /// Whether all names are among these.
    pub(super) fn only(&self, names: &[&str]) -> bool {
        self.0.iter().all(|(name, _)| names.contains(&name.as_str()))
    }

    /// The canonical query: encoded, sorted by name then value, without the signature itself.
    pub(super) fn canonical(&self) -> String {
        let others = self.0.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("x-amz-signature"));
        let mut pairs: Vec<_> = others.map(|(name, value)| (encode(name), encode(value))).collect();
        pairs.sort_unstable();
        let mut out = String::new();
        for (name, value) in pairs {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&name);
            out.push('=');
            out.push_str(&value);
        }
        out
    }
}

/// The query as it was sent, without the parameters that signed it.
pub(super) fn without_signing(raw: &str) -> String {
    let keeps = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        decode_form(name).is_ok_and(|name| !SIGNING.iter().any(|signing| name.eq_ignore_ascii_case(signing)))
    };
    raw.split('&').filter(keeps).collect::<Vec<_>>().join("&")
}
