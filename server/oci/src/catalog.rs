//! `GET /v2/_catalog`: repositories of the registry.

use axum::body::Body;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;
use zot_domain::{ArtifactError, Call, Result};

use super::page::{JSON, PageRequest};
use crate::Registry;

pub(crate) async fn list(registry: &Registry, call: &Call, parts: &Parts) -> Result<Response, ArtifactError> {
    let wanted = PageRequest::of(parts)?;
    let page = registry.artifacts.repositories(call, &wanted.last, wanted.size).await?;
    let mut response = Response::new(Body::from(json!({"repositories": page.names}).to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if let (true, Some(last)) = (page.more, page.names.last()) {
        wanted.link(&mut response, "/v2/_catalog", last);
    }
    Ok(response)
}
