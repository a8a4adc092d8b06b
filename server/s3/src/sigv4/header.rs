//! Signatures in the `Authorization` header: "Authenticating Requests: Using the Authorization Header".

use http::Extensions;
use http::HeaderMap;
use http::header::DATE;
use http::request::Parts;

use super::BodySha256;
use super::canonical::{single, single_text};
use super::claim::{ALGORITHM, Claim, SECURITY_TOKEN, credential, malformed, signed_headers};
use super::error::AuthError;
use super::payload::{CONTENT_SHA256, Payload};
use super::scope::Stamp;

/// What an `Authorization` header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scheme<'a> {
    /// Signature Version 4; the parameters follow.
    Version4(&'a str),
    /// Basic or Bearer, which another part of the server verifies.
    Other,
}

impl<'a> Scheme<'a> {
    pub(super) fn of(value: &'a str) -> Result<Self, AuthError> {
        let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        match scheme {
            ALGORITHM => Ok(Self::Version4(rest)),
            "AWS" => Err(version_2()),
            "AWS4-ECDSA-P256-SHA256" => {
                Err(AuthError::NotImplemented("Signature Version 4A is not implemented.".into()))
            }
            _ if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic") => Ok(Self::Other),
            _ => Err(AuthError::InvalidArgument("Unsupported Authorization Type".into())),
        }
    }
}

/// The refusal of Signature Version 2, which signs neither the query nor the time well enough.
pub(super) fn version_2() -> AuthError {
    let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    AuthError::InvalidRequest(message.into())
}

/// Reads the claim from the header.
pub(super) fn claim(parts: &Parts, parameters: &str) -> Result<Claim, AuthError> {
    let [credentials, names, signature] = split(parameters)?;
    let (access_key, scope) = credential(credentials, false)?;
    let (payload_line, payload) = payload(&parts.headers, &parts.extensions, &scope.service)?;
    Ok(Claim {
        access_key,
        scope,
        stamp: stamp(&parts.headers)?,
        signed: signed_headers(names, false)?,
        signature: signature.to_owned(),
        token: single_text(&parts.headers, SECURITY_TOKEN)?.map(str::to_owned),
        presigned: false,
        payload_line,
        payload,
    })
}

/// Splits `Credential=..., SignedHeaders=..., Signature=...`: each once, in any order, with or without spaces.
fn split(parameters: &str) -> Result<[&str; 3], AuthError> {
    const NAMES: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];
    let mut found = [None; 3];
    for parameter in parameters.split(',') {
        let (name, value) = parameter.trim_ascii().split_once('=').unwrap_or((parameter, ""));
        let place = NAMES.iter().position(|known| *known == name).and_then(|place| found.get_mut(place));
        match place {
            Some(place @ None) => *place = Some(value),
            _ => return Err(malformed(false, "it has a parameter that is unknown or given twice.")),
        }
    }
    match found {
        [Some(credential), Some(names), Some(signature)] => Ok([credential, names, signature]),
        _ => Err(malformed(false, "it requires the parameters Credential, SignedHeaders and Signature.")),
    }
}

/// The time of the request. It is part of the string to sign, so an unsigned `Date` header cannot change it.
fn stamp(headers: &HeaderMap) -> Result<Stamp, AuthError> {
    let stamp = match single_text(headers, "x-amz-date")? {
        Some(text) => Stamp::parse(text),
        None => single_text(headers, DATE.as_str())?.and_then(Stamp::parse_date),
    };
    let message = "AWS authentication requires a valid Date or x-amz-date header";
    stamp.ok_or(AuthError::AccessDenied(message.into()))
}

/// How the body is signed. S3 clients say it in a header. STS clients do not, so the STS API hashes the form first.
fn payload(headers: &HeaderMap, extensions: &Extensions, service: &str) -> Result<(String, Payload), AuthError> {
    if let Some(value) = single(headers, CONTENT_SHA256)? {
        let text = String::from_utf8_lossy(value.trim_ascii()).into_owned();
        let payload = Payload::parse(&text)?;
        return Ok((text, payload));
    }
    match extensions.get::<BodySha256>() {
        Some(BodySha256(digest)) if service == "sts" => Ok((hex::encode(digest), Payload::Sha256(*digest))),
        _ => Err(AuthError::InvalidRequest("Missing required header for this request: x-amz-content-sha256".into())),
    }
}
