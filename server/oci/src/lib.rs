//! The OCI API: distribution-spec 1.1 under `/v2`, and the registry tokens that its clients log in with.
//!
//! Repository names hold slashes, so the path is parsed here ([`path`]) and dispatched to one file per noun. Errors
//! are mapped in [`error`], the only place that knows the spec's codes.

mod blob;
mod body;
mod catalog;
mod error;
mod manifest;
mod multipart;
mod page;
mod path;
mod query;
mod referrers;
mod tags;
mod token;
mod upload;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Json, Router};
use serde_json::json;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zot_core::name::RepositoryName;
use zot_domain::observed::{Direction, Transfer};
use zot_domain::{ArtifactError, Artifacts, Call, Error, Result};
use zot_gateway::{Authenticator, Caller, Dialect, Endpoint, Gateway, RouteTemplate, method_not_allowed};

use error::{Context, respond};
use path::Route;

/// The digest of the served content.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The state that all handlers of the OCI API share. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub artifacts: Artifacts,
    /// Checks credentials in the form of a token request.
    pub authenticator: Authenticator,
    /// The realm of Basic challenges.
    pub realm: String,
    /// URL that issues registry tokens: [`TOKEN_PATH`], or the configured one.
    pub token_endpoint: Endpoint,
    /// Largest request body, in bytes.
    pub max_body: Option<u64>,
}

/// Path that issues registry tokens. A proxy may serve it elsewhere.
pub const TOKEN_PATH: &str = "/auth/token";

/// The routes of the OCI API. Routes outside of the specifications are also described for OpenAPI.
pub fn router(registry: Registry, gateway: &Gateway) -> (Router, OpenApi) {
    // names have slashes, so `path` parses everything below `/v2`
    let v2 = Router::new().route("/v2", any(serve)).route("/v2/", any(serve)).route("/v2/{*path}", any(serve));
    let v2 = gateway.limited(v2.with_state(registry.clone()), registry.clone());
    let (schemas, paths, handlers) = routes!(token::get, token::post);
    let handlers = handlers.layer(DefaultBodyLimit::max(token::FORM_MAX));
    let (tokens, document) = OpenApiRouter::new().routes((schemas, paths, handlers)).split_for_parts();
    let tokens = tokens.method_not_allowed_fallback(method_not_allowed).with_state(registry);
    (gateway.authenticated(v2.merge(tokens)), document)
}

impl Dialect for Registry {
    fn refusal(&self, request: &Request) -> impl FnOnce(Error) -> Response + Send + 'static {
        let context = Context::of(self, request);
        move |error| respond(&error.into(), &context)
    }

    /// A client that cannot list referrers treats an artifact as unsigned.
    fn is_exempt(&self, request: &Request) -> bool {
        request.uri().path().contains("/referrers/")
    }
}

/// Serves everything under `/v2`.
async fn serve(State(registry): State<Registry>, Extension(caller): Extension<Caller>, request: Request) -> Response {
    let mut context = Context::of(&registry, &request);
    let parsed = path::parse(request.uri().path());
    let endpoint = parsed.as_ref().map_or("/v2/{invalid}", Route::template);
    let transfer = parsed.as_ref().ok().and_then(|route| route.transfer(request.method()));
    let outcome = match (parsed, caller.call().map_err(ArtifactError::from)) {
        (Ok(route), Ok(call)) => {
            context.need(&route, request.method());
            if matches!(route, Route::Uploads(_)) {
                context.need_source(request.uri().query());
            }
            let (parts, body) = request.into_parts();
            dispatch(&registry, call, route, &parts, body).await
        }
        // bad credentials are reported first, whatever the path is
        (_, Err(error)) | (Err(error), _) => Err(error),
    };
    let mut response = outcome.unwrap_or_else(|error| {
        let mut response = respond(&error, &context);
        if let Some(direction) = transfer
            && is_failure(&error)
        {
            response.extensions_mut().insert(Transfer {
                direction,
                kind: "unknown",
                bucket: String::new(),
                bytes: None,
            });
        }
        response
    });
    response.extensions_mut().insert(RouteTemplate(endpoint));
    response
}

async fn dispatch(
    registry: &Registry,
    call: Call,
    route: Route,
    parts: &Parts,
    body: Body,
) -> Result<Response, ArtifactError> {
    match (&route, parts.method.as_str()) {
        (Route::Base, "GET" | "HEAD") => base(registry, &call),
        (Route::Catalog, "GET" | "HEAD") => catalog::list(registry, &call, parts).await,
        (Route::Tags(name), "GET" | "HEAD") => tags::list(registry, &call, name, parts).await,
        (Route::Referrers(name, digest), "GET" | "HEAD") => referrers::list(registry, &call, name, digest, parts).await,
        (Route::Manifest(name, reference), "GET" | "HEAD") => {
            manifest::get(registry, &call, name, reference, parts).await
        }
        (Route::Manifest(name, reference), "PUT") => manifest::put(registry, &call, name, reference, parts, body).await,
        (Route::Manifest(name, reference), "DELETE") => manifest::delete(registry, &call, name, reference).await,
        (Route::Blob(name, digest), "GET" | "HEAD") => blob::get(registry, &call, name, digest, parts).await,
        (Route::Blob(name, digest), "DELETE") => blob::delete(registry, &call, name, digest).await,
        (Route::Uploads(name), "POST") => upload::begin(registry, &call, name, parts, body).await,
        (Route::Upload(name, id), "GET" | "HEAD") => upload::status(registry, &call, name, id).await,
        (Route::Upload(name, id), "PATCH") => upload::append(registry, &call, name, id, parts, body).await,
        (Route::Upload(name, id), "PUT") => upload::finish(registry, &call, name, id, parts, body).await,
        (Route::Upload(name, id), "DELETE") => upload::cancel(registry, &call, name, id).await,
        _ => Ok(error::method_not_allowed(route.methods(), call.request_id)),
    }
}

/// Whether an error counts as a failed transfer. A refused request never was a transfer.
fn is_failure(error: &ArtifactError) -> bool {
    !matches!(
        error,
        ArtifactError::Common(Error::Unauthenticated | Error::InsufficientScope(_))
            | ArtifactError::ManifestUnknown(_)
            | ArtifactError::BlobUnknown(_)
            | ArtifactError::UploadUnknown
            | ArtifactError::NameUnknown(_)
    )
}

/// `GET /v2/`: clients ask here whether this is a registry and whether they must authenticate.
fn base(registry: &Registry, call: &Call) -> Result<Response, ArtifactError> {
    // credentials are requested even if anonymous users may read: clients learn only here how to authenticate for a push
    let token = call.principal.bound.is_some();
    if registry.artifacts.authorizer().settings().access_control && call.principal.is_anonymous() && !token {
        return Err(Error::Unauthenticated.into());
    }
    let version = [(error::API_VERSION, HeaderValue::from_static("registry/2.0"))];
    Ok((StatusCode::OK, version, Json(json!({}))).into_response())
}

/// The response to a successful transfer.
fn transferred(
    mut response: Response,
    direction: Direction,
    kind: &'static str,
    repository: &RepositoryName,
    bytes: u64,
) -> Response {
    let bucket = repository.namespace().to_owned();
    response.extensions_mut().insert(Transfer { direction, kind, bucket, bytes: Some(bytes) });
    response
}

/// A header value of text that is known to be valid there.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a conditional request names this digest, which the client then has already.
fn not_modified(parts: &Parts, digest: &str) -> bool {
    let given = parts.headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    given
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == digest || tag == "*")
}
