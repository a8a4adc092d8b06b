//! Signatures in the query: "Authenticating Requests: Using Query Parameters".

use http::HeaderMap;
use jiff::Timestamp;

use super::Config;
use super::canonical::single_text;
use super::claim::{ALGORITHM, Claim, SECURITY_TOKEN, credential, signed_headers};
use super::error::AuthError;
use super::payload::{CONTENT_SHA256, Payload, UNSIGNED};
use super::query::Query;
use super::scope::Stamp;

/// Reads the claim, and the URL's lifetime in seconds.
pub(super) fn claim(headers: &HeaderMap, query: &Query, config: &Config) -> Result<(Claim, i64), AuthError> {
    algorithm(required(query, "X-Amz-Algorithm")?)?;
    let (access_key, scope) = credential(required(query, "X-Amz-Credential")?, true)?;
    let stamp = Stamp::parse(required(query, "X-Amz-Date")?)
        .ok_or_else(|| refused("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    let lasts = lasts(required(query, "X-Amz-Expires")?, config)?;
    let (payload_line, payload) = payload(headers, query)?;
    let claim = Claim {
        access_key,
        scope,
        stamp,
        signed: signed_headers(required(query, "X-Amz-SignedHeaders")?, true)?,
        signature: required(query, "X-Amz-Signature")?.to_owned(),
        token: token(headers, query)?,
        presigned: true,
        payload_line,
        payload,
    };
    Ok((claim, lasts))
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> AuthError {
    AuthError::AuthorizationQueryParametersError(message.into())
}

fn required<'a>(query: &'a Query, name: &str) -> Result<&'a str, AuthError> {
    let missing = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                   X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
    query.single(name)?.ok_or_else(|| refused(missing))
}

fn algorithm(name: &str) -> Result<(), AuthError> {
    match name {
        ALGORITHM => Ok(()),
        "AWS4-ECDSA-P256-SHA256" => Err(AuthError::NotImplemented("Signature Version 4A is not implemented.".into())),
        _ => Err(refused("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")),
    }
}

fn lasts(text: &str, config: &Config) -> Result<i64, AuthError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused("X-Amz-Expires should be a number"));
    }
    // a number too large to be read is too large in any case
    let seconds = text.parse().unwrap_or(i64::MAX);
    if seconds > config.max_presign {
        let week = config.max_presign;
        return Err(refused(format!("X-Amz-Expires must be less than a week (in seconds) that is {week}")));
    }
    if seconds < 1 {
        return Err(refused("X-Amz-Expires must be at least 1"));
    }
    Ok(seconds)
}

/// The body is unsigned unless the URL says something else (the JS SDK puts `X-Amz-Content-Sha256` into the query), or
/// a signed header does. The front refuses the header if it was not signed.
fn payload(headers: &HeaderMap, query: &Query) -> Result<(String, Payload), AuthError> {
    let said = match (query.single(CONTENT_SHA256)?, single_text(headers, CONTENT_SHA256)?) {
        (Some(query), Some(header)) if query != header => {
            return Err(AuthError::InvalidArgument("x-amz-content-sha256 differs in query and header.".into()));
        }
        (query, header) => query.or(header).unwrap_or(UNSIGNED),
    };
    Ok((said.to_owned(), Payload::parse(said)?))
}

fn token(headers: &HeaderMap, query: &Query) -> Result<Option<String>, AuthError> {
    let token = match (query.single(SECURITY_TOKEN)?, single_text(headers, SECURITY_TOKEN)?) {
        (Some(_), Some(_)) => return Err(refused("The security token must be given once.")),
        (query, header) => query.or(header),
    };
    Ok(token.map(str::to_owned))
}

/// Refuses a URL that has expired or is not yet valid.
pub(super) fn check_time(stamp: &Stamp, lasts: i64, now: Timestamp, config: &Config) -> Result<(), AuthError> {
    let age = stamp.age(now);
    if age < -config.max_skew {
        return Err(AuthError::AccessDenied("Request is not yet valid".into()));
    }
    if age > lasts {
        return Err(AuthError::AccessDenied("Request has expired".into()));
    }
    Ok(())
}
