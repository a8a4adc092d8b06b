//! `GET /api/v1/openapi.json`: the description of the REST API. Each handler describes its operation. This module adds
//! the parts that all operations share.

use axum::http::header;
use axum::response::{IntoResponse, Response as Answer};
use axum::{Extension, Router};
use bytes::Bytes;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, OpenApi, Ref, RefOr, Response};
use utoipa::{OpenApi as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zot_api::ErrorBody;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Zot Artifact Store",
        description = "What the store offers beside its registry (`/v2/`, OCI Distribution 1.1) and its S3 API \
            (`/s3`), which have specifications of their own. Every answer names its request in `X-Request-Id`; errors \
            are one object, and those that are worth another try say so.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "artifacts", description = "Objects as artifacts"),
        (name = "policies", description = "Access control policies"),
        (name = "audit", description = "The audit trail: allowed and denied actions"),
        (name = "accounts", description = "Accounts of programs, access keys, revocation"),
        (name = "tokens", description = "Logging in, registry tokens"),
        (name = "operations", description = "Health and metrics"),
        (name = "description", description = "This document"),
    ),
    components(schemas(ErrorBody)),
    security(("basic" = []), ("bearer" = [])),
)]
struct Begun;

/// The document without its operations.
fn begun() -> OpenApi {
    let mut document = Begun::openapi();
    let components = document.components.get_or_insert_default();
    let basic = Http::builder().scheme(HttpAuthScheme::Basic).description(Some("An access key and its secret."));
    components.add_security_scheme("basic", SecurityScheme::Http(basic.build()));
    let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some("A token of a trusted issuer, or one of `/auth/token`."));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    document
}

/// The route of the document, which describes itself and these parts.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(parts: impl IntoIterator<Item = OpenApi>) -> Router<S> {
    let (router, own) = OpenApiRouter::new().routes(routes!(serve)).split_for_parts();
    let document = parts.into_iter().chain([own]).fold(begun(), OpenApi::merge_from);
    router.layer(Extension(Bytes::from(written(document))))
}

fn written(mut document: OpenApi) -> String {
    // the router writes `{*key}` for a key with slashes
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut document.paths.paths {
        operations(item).for_each(|operation| complete(path, operation));
    }
    document.to_json().unwrap_or_default()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, head, .. } = item;
    [get, put, post, delete, patch, head].into_iter().flatten()
}

/// Adds the responses that all operations share, the schema of errors, and the errors' headers.
fn complete(path: &str, operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if path.starts_with("/api/") || path.starts_with("/rbac/") {
        let mut common = vec![
            ("500", "Internal error."),
            ("503", "The server is too busy, or the database or storage is unavailable."),
        ];
        // an operation without a requirement has that of the document; an empty list means none
        let own = operation.security.as_ref();
        if own.is_none_or(|own| own.iter().any(|one| *one != SecurityRequirement::default())) {
            common.push(("401", "The credentials are missing or wrong."));
            common.push(("429", "Too many wrong credentials came from this address."));
        }
        for (status, description) in common {
            responses.entry(status.to_owned()).or_insert_with(|| Response::new(description).into());
        }
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        add_header(response, "X-Request-Id", Type::String, "The request's id, which is also in the logs.");
        if status == "401" {
            add_header(response, "WWW-Authenticate", Type::String, "How to authenticate.");
        }
        if response.content.is_empty() && (status.starts_with('4') || status.starts_with('5')) {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
            response.content.insert("application/json".to_owned(), content.into());
            if matches!(status.as_str(), "429" | "503") {
                add_header(response, "Retry-After", Type::Integer, "Seconds to wait before trying again.");
            }
        }
    }
}

fn add_header(response: &mut Response, name: &str, kind: Type, description: &str) {
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(description.to_owned());
    response.headers.entry(name.to_owned()).or_insert(header.into());
}

/// Describes this API.
///
/// The document is generated from the code.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "getDescription", tag = "description", security(()),
    responses((status = 200, description = "The document.", content_type = "application/json", body = Object)),
)]
pub(crate) async fn serve(Extension(document): Extension<Bytes>) -> Answer {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
