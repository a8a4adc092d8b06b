//! Layers of every request: id, log line and metrics; and responses for unknown paths and methods.

mod drain;
mod origin;

use std::net::SocketAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::Instrument as _;
use zot_core::principal::Principal;
use zot_domain::call::{Agent, Origin, RequestId};

use crate::caller::Caller;
use crate::limits::Place;
use crate::{Gateway, metrics};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest text of a client in a log line, in characters.
const LOGGED_MAX: usize = 256;

/// Gives the request its id, which the client gets too, and logs and counts the response.
///
/// The path is logged, but never the query: it may contain a signature.
pub(crate) async fn observe(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let request_id = RequestId::new();
    request.extensions_mut().insert(request_id);
    let agent = agent(&request);
    request.extensions_mut().insert(agent);
    origin::settle(&mut request, &gateway.options.trusted_proxies);
    let line = Line::of(&request);
    let active = Place::take(gateway.metrics.active());
    let body = drain::Tapped::tap(&mut request);
    // all log lines of this request have the id
    let span = tracing::error_span!("request", %request_id);
    let mut response = next.run(request).instrument(span).await;
    drop(active);
    match body {
        Some(body) if body.is_awaited() => {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Some(body) if response.status().is_client_error() || response.status().is_server_error() => body.drain().await,
        _ => {}
    }
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    gateway.metrics.observed(&response, begun);
    let endpoint = response.extensions().get::<RouteTemplate>().map_or(line.route.as_str(), |template| template.0);
    gateway.metrics.responded(&line.method, endpoint, response.status().as_u16());
    line.log(&response, request_id, begun);
    response
}

/// Unknown methods become one word, because clients can send any text.
fn agent(request: &Request) -> Agent {
    let method = metrics::KNOWN_METHODS.into_iter().find(|method| *method == request.method().as_str());
    let user_agent = request.headers().get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    Agent::new(method.unwrap_or("OTHER"), &String::from_utf8_lossy(user_agent))
}

/// The route's template, for metrics. A response carries it if the router does not know it.
#[derive(Clone, Copy)]
pub struct RouteTemplate(pub &'static str);

struct Line {
    method: String,
    path: String,
    route: String,
    remote: Option<String>,
    user_agent: String,
    client_request_id: String,
}

impl Line {
    fn of(request: &Request) -> Self {
        let text = |name: &HeaderName| {
            let value = request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
            value.chars().take(LOGGED_MAX).collect::<String>()
        };
        Self {
            method: request.method().to_string(),
            path: request.uri().path().chars().take(4 * LOGGED_MAX).collect(),
            route: request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned(),
            remote: remote(request),
            user_agent: text(&header::USER_AGENT),
            client_request_id: text(&X_REQUEST_ID),
        }
    }

    fn log(&self, response: &Response, request_id: RequestId, begun: Instant) {
        let caller = response.extensions().get::<Caller>();
        let principal = response.extensions().get::<Principal>().map(|principal| principal.subject.as_str());
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        tracing::info!(
            target: "access",
            %request_id,
            method = self.method,
            path = self.path,
            status = response.status().as_u16(),
            duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes = length.and_then(|v| v.parse::<u64>().ok()),
            actor = caller.map(Caller::subject).or(principal).unwrap_or("-"),
            remote = self.remote,
            user_agent = self.user_agent,
            client_request_id = self.client_request_id,
            "request"
        );
    }
}

/// The client's address; with its port if there is no proxy in between.
fn remote(request: &Request) -> Option<String> {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    match request.extensions().get::<Origin>().and_then(|origin| origin.address) {
        Some(address) if connection.is_none_or(|it| it.ip() != address) => Some(address.to_string()),
        _ => connection.map(|it| it.to_string()),
    }
}

/// The text for a path of no API.
pub fn nothing_at(path: &str, known: &str) -> String {
    format!("there is nothing at {path}; see {known}")
}

pub(crate) fn not_found(request: &Request, known: &str) -> Response {
    plain(StatusCode::NOT_FOUND, "not_found", &nothing_at(request.uri().path(), known))
}

pub const METHOD_NOT_ALLOWED: &str = "this method is not served here; the header Allow names those that are";

/// The response to a wrong method. The router adds the header `Allow`.
pub async fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "bad_request", METHOD_NOT_ALLOWED)
}

/// The response for a handler that panicked. The panic hook logs the cause; the client does not get it.
pub(crate) fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal server error")
}

fn plain(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message, "error": message}))).into_response()
}
