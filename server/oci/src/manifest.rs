//! `/v2/{name}/manifests/{reference}`: reading, putting and deleting manifests.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use zot_core::Invalid;
use zot_core::manifest::MANIFEST_MAX;
use zot_core::name::{Reference, RepositoryName, Tag};
use zot_core::range::ByteRange;
use zot_domain::observed::Direction;
use zot_domain::{ArtifactError, Call, Result};

use super::CONTENT_DIGEST;
use super::body::{incoming, outgoing};
use super::query::Parameters;
use super::{not_modified, transferred, value};
use crate::Registry;

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

pub(crate) async fn get(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response, ArtifactError> {
    let manifest = registry.artifacts.manifest(call, repository, reference).await?;
    let digest = manifest.digest.as_str();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_DIGEST, value(digest));
    headers.insert(header::ETAG, value(&format!("\"{digest}\"")));
    if not_modified(parts, digest) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, value(&manifest.media_type));
    headers.insert(header::CONTENT_LENGTH, manifest.blob.size.into());
    if parts.method == Method::HEAD {
        return Ok((StatusCode::OK, headers).into_response());
    }
    let all = ByteRange { start: 0, end: manifest.blob.size };
    let body = outgoing(registry.artifacts.open(&manifest, all)).await?;
    let response = (StatusCode::OK, headers, body).into_response();
    Ok(transferred(response, Direction::Download, "manifest", repository, manifest.blob.size))
}

pub(crate) async fn put(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
    parts: &Parts,
    body: Body,
) -> Result<Response, ArtifactError> {
    let tags = Parameters::of(parts).all("tag").map(str::parse).collect::<std::result::Result<Vec<Tag>, _>>()?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(|v| v.to_str().map(ToOwned::to_owned));
    let content_type = content_type.transpose().map_err(|_| Invalid::Manifest("malformed Content-Type".to_owned()))?;
    let size = super::body::announced(parts).unwrap_or_default();
    let body = incoming(parts, body, Some(MANIFEST_MAX))?;
    let published =
        registry.artifacts.publish(call, repository, reference, tags, content_type.as_deref(), body).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{repository}/manifests/{}", published.digest)));
    headers.insert(CONTENT_DIGEST, value(published.digest.as_str()));
    if let Some(subject) = &published.subject {
        headers.insert(OCI_SUBJECT, value(subject.as_str()));
    }
    for tag in &published.tags {
        headers.append(OCI_TAG, value(tag.as_str()));
    }
    let response = (StatusCode::CREATED, headers).into_response();
    Ok(transferred(response, Direction::Upload, "manifest", repository, size))
}

pub(crate) async fn delete(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, ArtifactError> {
    registry.artifacts.delete_manifest(call, repository, reference).await?;
    Ok(transferred(StatusCode::ACCEPTED.into_response(), Direction::Delete, "manifest", repository, 0))
}
