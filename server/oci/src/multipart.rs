//! `multipart/byteranges` bodies for several ranges at once (RFC 9110 section 14.6), as lazy-pulling clients request them.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use zot_core::range::ByteRange;
use zot_domain::ports::metadata::BlobContent;
use zot_domain::read::Readable;

use super::value;
use crate::Registry;

/// The parts of a blob, in the requested order.
pub(crate) fn response(
    registry: &Registry,
    blob: &Readable<BlobContent>,
    parts: Vec<ByteRange>,
    mut headers: HeaderMap,
) -> Response {
    let boundary = zot_core::ambient::random_id().simple().to_string();
    let heads: Vec<String> = parts.iter().map(|part| head(&boundary, *part, blob.size)).collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let length = heads.iter().map(|head| head.len() as u64).sum::<u64>()
        + parts.iter().map(ByteRange::length).sum::<u64>()
        + end.len() as u64;
    headers.insert(header::CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
    headers.insert(header::CONTENT_LENGTH, length.into());
    let artifacts = registry.artifacts.clone();
    let blob = blob.clone();
    let body = stream::iter(heads.into_iter().zip(parts))
        .flat_map(move |(head, part)| stream::iter([Ok(Bytes::from(head))]).chain(artifacts.open(&blob, part)))
        .chain(stream::iter([Ok(Bytes::from(end))]));
    (StatusCode::PARTIAL_CONTENT, headers, Body::from_stream(body)).into_response()
}

fn head(boundary: &str, part: ByteRange, size: u64) -> String {
    let range = part.content_range(size);
    format!("\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: {range}\r\n\r\n")
}
