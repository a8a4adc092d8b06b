//! Documents of clients, before the codec reads them: each announced digest is compared, and XML becomes canonical.

mod digests;
mod xml;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use s3s::{S3Result, s3_error};
use zot_domain::Error;

use crate::body::{error_of, limited};
use crate::error::to_s3;
use crate::sigv4::Trailers;

/// Largest XML or JSON document of a client, in bytes: 1,000 keys of 1,024 bytes, and a reserve.
pub(crate) const DOCUMENT_MAX: u64 = 2 * 1024 * 1024;

/// Subresources of objects that a document describes.
const OF_OBJECTS: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// The request with a document that is as announced, and that all parsers read alike. The path has no prefix.
///
/// # Errors
/// `BadDigest`, `InvalidDigest`, `MalformedXML`.
pub(crate) async fn verified(request: Request<Body>) -> S3Result<Request<Body>> {
    if !has_document(&request) {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let announced =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > DOCUMENT_MAX) {
        return Err(to_s3(Error::TooLarge { limit: DOCUMENT_MAX }));
    }
    let read = limited(body, DOCUMENT_MAX).collect().await;
    let bytes = read.map_err(|error| to_s3(error_of(&error)))?.to_bytes();
    let trailers = parts.extensions.get::<Trailers>().and_then(Trailers::get);
    let completes = parts.uri.query().is_some_and(|query| names(query).any(|name| name == "uploadId"));
    // the checksum of a CompleteMultipartUpload is the whole object's
    digests::verify(&parts.headers, trailers, &bytes, !completes)?;
    let bytes = if is_xml(&bytes) { canonical(&bytes)? } else { bytes };
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn canonical(bytes: &[u8]) -> S3Result<Bytes> {
    let malformed = |why| s3_error!(MalformedXML, "The XML you provided was not well-formed: {why}");
    xml::canonical(bytes).map(Bytes::from).map_err(malformed)
}

fn names(query: &str) -> impl Iterator<Item = String> {
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned())
}

/// Whether the body is a document. All others are objects and parts.
fn has_document(request: &Request<Body>) -> bool {
    let is_object =
        request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match *request.method() {
        Method::POST => true,
        Method::PUT if is_object => {
            names(request.uri().query().unwrap_or_default()).any(|name| OF_OBJECTS.contains(&name.as_str()))
        }
        Method::PUT => true,
        _ => false,
    }
}

/// XML begins with `<`. A bucket policy is JSON.
fn is_xml(bytes: &[u8]) -> bool {
    bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes).trim_ascii_start().starts_with(b"<")
}
