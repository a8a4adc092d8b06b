//! Prepares a verified request for the codec.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::Body as _;
use sha2::{Digest as _, Sha256};

use super::PayloadHash;
use super::body::{Check, Checked, Trailers};
use super::canonical::single_text;
use super::chunked::{Chain, Decoder, Form};
use super::claim::SECURITY_TOKEN;
use super::error::AuthError;
use super::payload::{CONTENT_SHA256, Payload};
use super::query::{Query, without_signing};

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
/// Bodies up to this size, in bytes, are hashed here even if the store hashes them again.
const SMALL: u64 = 64 * 1024;

/// Removes the signature and its parameters.
pub(super) fn strip(parts: &mut Parts, presigned: bool) -> Result<(), AuthError> {
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove(SECURITY_TOKEN);
    if !presigned {
        return Ok(());
    }
    let query = without_signing(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path();
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| AuthError::InvalidUri)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| AuthError::InvalidUri)?;
    Ok(())
}

/// Wraps the body so that it is verified while it is read.
pub(super) fn open(
    mut parts: Parts,
    body: Body,
    payload: Payload,
    chain: Option<Chain>,
) -> Result<Request<Body>, AuthError> {
    let trailers = Trailers::default();
    strip_encoding(&mut parts.headers);
    let (hash, body) = match payload {
        Payload::Unsigned => {
            trailers.set(HeaderMap::new());
            (PayloadHash::Unsigned, body)
        }
        Payload::Sha256(digest) if body.is_end_stream() => {
            let empty = digest == <[u8; 32]>::from(Sha256::digest(b""));
            trailers.set(HeaderMap::new());
            (PayloadHash::Streaming, empty.then_some(body).ok_or(AuthError::ContentSha256Mismatch)?)
        }
        Payload::Sha256(digest) if is_hashed_by_store(&parts)? => {
            trailers.set(HeaderMap::new());
            (PayloadHash::Sha256(digest), body)
        }
        Payload::Sha256(digest) => {
            let check = Check::Digest(Sha256::new(), digest);
            let length = content_length(&parts.headers);
            (PayloadHash::Streaming, Body::new(Checked::new(body, check, length, trailers.clone())))
        }
        Payload::Signed { trailer } => {
            let decoder = decoder(&mut parts.headers, trailer, chain)?;
            (PayloadHash::Streaming, decoded(body, decoder, &trailers))
        }
        Payload::UnsignedTrailer => {
            let decoder = decoder(&mut parts.headers, true, None)?;
            (PayloadHash::Unsigned, decoded(body, decoder, &trailers))
        }
    };
    parts.headers.remove(CONTENT_SHA256);
    parts.extensions.insert(hash);
    parts.extensions.insert(trailers);
    Ok(Request::from_parts(parts, body))
}

fn decoded(body: Body, decoder: Decoder, trailers: &Trailers) -> Body {
    let length = decoder.declared();
    Body::new(Checked::new(body, Check::Chunks(Box::new(decoder)), Some(length), trailers.clone()))
}

/// Replaces the headers about chunks with those of the decoded body.
fn decoder(headers: &mut HeaderMap, trailer: bool, chain: Option<Chain>) -> Result<Decoder, AuthError> {
    let text = single_text(headers, DECODED_LENGTH)?.ok_or(AuthError::MissingContentLength)?;
    let declared = number(text)
        .ok_or_else(|| AuthError::InvalidArgument("x-amz-decoded-content-length is not a number.".into()))?;
    let trailer = trailer.then(|| announced(headers));
    headers.remove(DECODED_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(declared));
    Ok(Decoder::new(Form { chain, declared, trailer }))
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|value| number(value.to_str().ok()?))
}

/// The names in `x-amz-trailer`: a list, or several headers as minio-go sends them.
fn announced(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(|name| name.trim_ascii().to_ascii_lowercase());
    let mut names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether the body is a coding of chunks by its header, for requests without `x-amz-content-sha256`.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    codings(headers).any(is_aws_chunked)
}

fn codings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim_ascii)
}

const fn is_aws_chunked(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("aws-chunked")
}

/// `aws-chunked` describes the transfer, not the object. S3 does not store it either.
fn strip_encoding(headers: &mut HeaderMap) {
    if !is_chunked(headers) {
        return;
    }
    let others: Vec<_> = codings(headers).filter(|coding| !coding.is_empty() && !is_aws_chunked(coding)).collect();
    let others = others.join(",");
    headers.remove(CONTENT_ENCODING);
    if !others.is_empty()
        && let Ok(value) = HeaderValue::from_str(&others)
    {
        headers.insert(CONTENT_ENCODING, value);
    }
}

/// The store hashes large uploads. Everything else is hashed here, since the codec does not verify the XML documents
/// that it reads.
fn is_hashed_by_store(parts: &Parts) -> Result<bool, AuthError> {
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let large = content_length(&parts.headers).is_some_and(|length| length > SMALL);
    Ok(parts.method == Method::PUT && large && query.only(&["partNumber", "uploadId", "x-id"]))
}
