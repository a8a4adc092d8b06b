//! `GET /v2/{name}/tags/list`: tags of a repository.

use axum::body::Body;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;
use zot_core::name::RepositoryName;
use zot_domain::{ArtifactError, Call, Result};

use super::page::{JSON, PageRequest};
use crate::Registry;

pub(crate) async fn list(
    registry: &Registry,
    call: &Call,
    repository: &RepositoryName,
    parts: &Parts,
) -> Result<Response, ArtifactError> {
    let wanted = PageRequest::of(parts)?;
    let page = registry.artifacts.tags(call, repository, &wanted.last, wanted.size).await?;
    let body = json!({"name": repository.as_str(), "tags": page.names});
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if let (true, Some(last)) = (page.more, page.names.last()) {
        wanted.link(&mut response, &format!("/v2/{repository}/tags/list"), last);
    }
    Ok(response)
}
