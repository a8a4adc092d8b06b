//! The OCI door: distribution-spec 1.1 under `/v2`.
//!
//! Repository names hold slashes, so the path is parsed here ([`path`]) and dispatched to one file per noun. Errors
//! leave through [`error`], which is the only place that knows the spec's codes.

mod blob;
mod body;
mod catalog;
pub(crate) mod error;
mod manifest;
mod multipart;
mod page;
mod path;
mod query;
mod referrers;
mod tags;
mod upload;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use zot_core::name::RepositoryName;
use zot_domain::call::RequestId;
use zot_domain::observed::{Direction, Transfer};
use zot_domain::{Call, Error, Result};

use crate::App;
use crate::auth::Caller;
use crate::middleware::Endpoint;
use error::{Context, respond};
use path::Route;

/// Serves everything under `/v2`.
pub(crate) async fn serve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let mut context = Context::of(&app, &request);
    let parsed = path::parse(request.uri().path());
    let endpoint = parsed.as_ref().map_or("/v2/{invalid}", Route::template);
    let transfer = parsed.as_ref().ok().and_then(|route| route.transfer(request.method()));
    let outcome = match (parsed, caller.call(request_id)) {
        (Ok(route), Ok(call)) => {
            context.need(&route, request.method());
            if matches!(route, Route::Uploads(_)) {
                context.need_source(request.uri().query());
            }
            let (parts, body) = request.into_parts();
            dispatch(&app, call, route, &parts, body).await
        }
        // who sends bad credentials learns that first, whatever the path
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
    response.extensions_mut().insert(Endpoint(endpoint));
    response
}

async fn dispatch(app: &App, call: Call, route: Route, parts: &Parts, body: Body) -> Result<Response> {
    match (&route, parts.method.as_str()) {
        (Route::Base, "GET" | "HEAD") => base(app, &call),
        (Route::Catalog, "GET" | "HEAD") => catalog::list(app, &call, parts).await,
        (Route::Tags(name), "GET" | "HEAD") => tags::list(app, &call, name, parts).await,
        (Route::Referrers(name, digest), "GET" | "HEAD") => referrers::list(app, &call, name, digest, parts).await,
        (Route::Manifest(name, reference), "GET" | "HEAD") => manifest::get(app, &call, name, reference, parts).await,
        (Route::Manifest(name, reference), "PUT") => manifest::put(app, &call, name, reference, parts, body).await,
        (Route::Manifest(name, reference), "DELETE") => manifest::delete(app, &call, name, reference).await,
        (Route::Blob(name, digest), "GET" | "HEAD") => blob::get(app, &call, name, digest, parts).await,
        (Route::Blob(name, digest), "DELETE") => blob::delete(app, &call, name, digest).await,
        (Route::Uploads(name), "POST") => upload::begin(app, &call, name, parts, body).await,
        (Route::Upload(name, id), "GET" | "HEAD") => upload::status(app, &call, name, id).await,
        (Route::Upload(name, id), "PATCH") => upload::append(app, &call, name, id, parts, body).await,
        (Route::Upload(name, id), "PUT") => upload::finish(app, &call, name, id, parts, body).await,
        (Route::Upload(name, id), "DELETE") => upload::cancel(app, &call, name, id).await,
        _ => Ok(error::method_not_allowed(route.methods(), call.request_id)),
    }
}

/// Whether an error makes a transfer a failed one, and not one that was never to be.
fn is_failure(error: &Error) -> bool {
    !matches!(
        error,
        Error::Unauthenticated
            | Error::InsufficientScope(_)
            | Error::ManifestUnknown(_)
            | Error::BlobUnknown(_)
            | Error::UploadUnknown
            | Error::NameUnknown(_)
    )
}

/// `GET /v2/`: whether this is a registry, and whether the caller has to say who they are.
fn base(app: &App, call: &Call) -> Result<Response> {
    // asked for even where the anonymous may read: clients learn only here how to authenticate for a push
    let token = call.principal.bound.is_some();
    if app.artifacts.authorizer().settings().access_control && call.principal.is_anonymous() && !token {
        return Err(Error::Unauthenticated);
    }
    let version = [(error::API_VERSION, HeaderValue::from_static("registry/2.0"))];
    Ok((StatusCode::OK, version, Json(json!({}))).into_response())
}

/// The response to a transfer of content that succeeded.
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

/// A header value out of text that is known to fit into one.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a conditional request names this digest: the client has it already.
fn not_modified(parts: &Parts, digest: &str) -> bool {
    let given = parts.headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    given
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == digest || tag == "*")
}
