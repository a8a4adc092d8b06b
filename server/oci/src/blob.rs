//! `/v2/{name}/blobs/{digest}`: reading blobs, whole or in ranges, and deleting them.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zot_core::digest::Digest;
use zot_core::name::RepositoryName;
use zot_core::range::{ByteRange, Selection, select};
use zot_domain::call::RequestId;
use zot_domain::observed::Direction;
use zot_domain::ports::metadata::BlobContent;
use zot_domain::read::Readable;
use zot_domain::{ArtifactError, Call, Result};

use super::body::outgoing;
use super::error::document;
use super::{CONTENT_DIGEST, multipart, not_modified, transferred, value};
use crate::Registry;

pub(crate) const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(crate) async fn get(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
    parts: &Parts,
) -> Result<Response, ArtifactError> {
    let blob = registry.artifacts.blob(call, repository, digest).await?;
    let mut headers = content_headers(digest);
    if not_modified(parts, digest.as_str()) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, OCTET_STREAM);
    if parts.method == Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, blob.size.into());
        return Ok((StatusCode::OK, headers).into_response());
    }
    let response = match select(range(parts, digest), blob.size) {
        Selection::Whole => {
            let response = whole(registry, &blob, headers).await?;
            transferred(response, Direction::Download, "blob", repository, blob.size)
        }
        Selection::Parts(parts) => {
            let bytes = parts.iter().map(ByteRange::length).sum();
            let response = match parts.as_slice() {
                [part] => single(registry, &blob, *part, headers).await?,
                _ => multipart::response(registry, &blob, parts, headers),
            };
            transferred(response, Direction::Download, "blob", repository, bytes)
        }
        Selection::Unsatisfiable => unsatisfiable(blob.size, headers, call.request_id),
    };
    Ok(response)
}

/// The requested range. There is none if `If-Range` names another digest: the client then has bytes of another blob.
fn range<'a>(parts: &'a Parts, digest: &Digest) -> Option<&'a str> {
    let current = |tag: &HeaderValue| tag.as_bytes() == format!("\"{digest}\"").as_bytes();
    match parts.headers.get(header::IF_RANGE) {
        Some(tag) if !current(tag) => None,
        _ => parts.headers.get(header::RANGE)?.to_str().ok(),
    }
}

fn content_headers(digest: &Digest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    headers.insert(header::ETAG, value(&format!("\"{digest}\"")));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers
}

async fn whole(
    registry: &Registry,
    blob: &Readable<BlobContent>,
    mut headers: HeaderMap,
) -> Result<Response, ArtifactError> {
    headers.insert(header::CONTENT_LENGTH, blob.size.into());
    let all = ByteRange { start: 0, end: blob.size };
    let body = if blob.size == 0 { Body::empty() } else { outgoing(registry.artifacts.open(blob, all)).await? };
    Ok((StatusCode::OK, headers, body).into_response())
}

async fn single(
    registry: &Registry,
    blob: &Readable<BlobContent>,
    part: ByteRange,
    mut headers: HeaderMap,
) -> Result<Response, ArtifactError> {
    headers.insert(header::CONTENT_LENGTH, part.length().into());
    headers.insert(header::CONTENT_RANGE, value(&part.content_range(blob.size)));
    let body = outgoing(registry.artifacts.open(blob, part)).await?;
    Ok((StatusCode::PARTIAL_CONTENT, headers, body).into_response())
}

fn unsatisfiable(size: u64, mut headers: HeaderMap, request_id: RequestId) -> Response {
    headers.insert(header::CONTENT_RANGE, value(&format!("bytes */{size}")));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let message = format!("the range is outside of the blob, which has {size} bytes");
    let detail = json!({"requestId": request_id.to_string()});
    (StatusCode::RANGE_NOT_SATISFIABLE, headers, document("SIZE_INVALID", message, detail)).into_response()
}

pub(crate) async fn delete(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, ArtifactError> {
    registry.artifacts.delete_blob(call, repository, digest).await?;
    Ok(transferred(StatusCode::ACCEPTED.into_response(), Direction::Delete, "blob", repository, 0))
}
