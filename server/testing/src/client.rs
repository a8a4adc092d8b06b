//! A client with credentials. Its calls read like request lines.

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tower::ServiceExt as _;
use zot_domain::call::Origin;

use crate::reply::Reply;

#[derive(Clone)]
pub struct Client {
    router: Router,
    authorization: Option<String>,
}

impl Client {
    pub fn new(router: Router) -> Self {
        Self { router, authorization: None }
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// With an access key, by Basic.
    pub fn with_key(self, key: (&str, &str)) -> Self {
        let credentials = basic(key);
        self.with_authorization(&credentials)
    }

    pub fn with_token(&self, token: &str) -> Self {
        self.clone().with_authorization(&format!("Bearer {token}"))
    }

    pub fn with_authorization(mut self, value: &str) -> Self {
        self.authorization = Some(value.to_owned());
        self
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        self.prepared(request)
    }

    /// Sends a prepared request from a loopback address.
    pub fn prepared(&self, mut request: Request<Body>) -> Call {
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        request.extensions_mut().insert(Origin { address, ..Origin::default() });
        Call { router: self.router.clone(), request }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).send().await
    }

    pub async fn head(&self, path: &str) -> Reply {
        self.call(Method::HEAD, path).send().await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path).send().await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::POST, path).body(body).send().await
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::PUT, path).body(body).send().await
    }

    pub async fn patch(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.call(Method::PATCH, path).body(body).send().await
    }

    /// Opens an upload session and returns its path.
    pub async fn begin(&self, repository: &str) -> String {
        let begun = self.post(&format!("/v2/{repository}/blobs/uploads/"), "").await;
        begun.assert_status(StatusCode::ACCEPTED);
        begun.header("location").to_owned()
    }

    /// A token for that scope.
    pub async fn token(&self, scope: &str) -> String {
        let reply = self.get(&format!("/auth/token?service=zot-test&scope={scope}")).await;
        reply.assert_status(StatusCode::OK);
        reply.json()["token"].as_str().unwrap().to_owned()
    }
}

pub fn basic((id, secret): (&str, &str)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A request that is not sent yet.
pub struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    /// Adds a header; the name may repeat.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.request.headers_mut().append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub fn json(self, document: &Value) -> Self {
        self.header("content-type", "application/json").body(document.to_string())
    }

    /// With a body whose length is announced.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.request.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        *self.request.body_mut() = Body::from(body);
        self
    }

    /// With a body in these pieces, without an announced length.
    pub fn chunked(mut self, pieces: &[&[u8]]) -> Self {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        *self.request.body_mut() = Body::from_stream(stream::iter(pieces));
        self
    }

    /// With a body that announces `announced` bytes and ends after these, as when a client disconnects.
    pub fn broken(mut self, bytes: &[u8], announced: usize) -> Self {
        self.request.headers_mut().insert(header::CONTENT_LENGTH, announced.into());
        let gone = Err(std::io::Error::other("the client disconnected"));
        *self.request.body_mut() = Body::from_stream(stream::iter([Ok(Bytes::copy_from_slice(bytes)), gone]));
        self
    }

    /// With a body that never ends, over HTTP/2, where nothing drains it after a refusal.
    pub fn endless(mut self) -> Self {
        *self.request.version_mut() = axum::http::Version::HTTP_2;
        *self.request.body_mut() = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        self
    }

    pub async fn send(self) -> Reply {
        let what = format!("{} {}", self.request.method(), self.request.uri());
        let response = self.router.oneshot(self.request).await.unwrap();
        Reply::of(what, response).await
    }
}
