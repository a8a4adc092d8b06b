//! A small OCI client for what real clients cannot send or show: odd requests, exact statuses and error codes.

use std::net::SocketAddr;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Media type of an image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An access key, or nobody's.
#[derive(Clone, Copy, Debug)]
pub struct Credentials {
    /// Its id, the user name for clients.
    pub id: &'static str,
    /// Its secret, the password for clients.
    pub secret: &'static str,
}

/// A client of one server or proxy.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    presents: Presents,
}

/// The credentials that a client sends.
#[derive(Clone)]
enum Presents {
    Nothing,
    Basic(String, String),
    Bearer(String),
}

impl From<Option<Credentials>> for Presents {
    fn from(credentials: Option<Credentials>) -> Self {
        credentials.map_or(Self::Nothing, |key| Self::Basic(key.id.to_owned(), key.secret.to_owned()))
    }
}

impl Client {
    /// A client that sends these credentials with each request (Basic).
    pub fn new(address: SocketAddr, credentials: Option<Credentials>) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { http: http.expect("an HTTP client"), address, presents: credentials.into() }
    }

    /// The same client as somebody else.
    #[must_use]
    pub fn with(&self, credentials: Option<Credentials>) -> Self {
        Self { presents: credentials.into(), ..self.clone() }
    }

    /// The same client with another access key, or with a token as the password.
    #[must_use]
    pub fn with_key(&self, id: &str, secret: &str) -> Self {
        Self { presents: Presents::Basic(id.to_owned(), secret.to_owned()), ..self.clone() }
    }

    /// The same client with a token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { presents: Presents::Bearer(token.to_owned()), ..self.clone() }
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a document.
    pub async fn send(&self, method: Method, path: &str, document: &Value) -> Reply {
        Reply::to(self.request(method, path).json(document)).await
    }

    /// Begins a request to a path of the server; [`Reply::to`] sends it. Only the path of a whole URL
    /// counts: a location that one replica answered works at every other.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |slash| &rest[slash..]));
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.presents {
            Presents::Nothing => request,
            Presents::Basic(id, secret) => request.basic_auth(id, Some(secret)),
            Presents::Bearer(token) => request.bearer_auth(token),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::GET, path)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::DELETE, path)).await
    }

    /// GET; an error means that there was no whole answer.
    pub async fn try_get(&self, path: &str) -> Result<Reply, String> {
        Reply::try_to(self.request(Method::GET, path)).await
    }

    /// Pushes a blob by POST and PUT, and returns its digest.
    pub async fn push_blob(&self, repository: &str, content: impl Into<Bytes>) -> String {
        let content = content.into();
        let digest = digest(&content);
        let location = self.begin_upload(repository).await;
        self.finish_upload(&location, &digest, content).await.expect_status(201);
        digest
    }

    /// Opens an upload session and returns its location.
    pub async fn begin_upload(&self, repository: &str) -> String {
        let begun = Reply::to(self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/"))).await;
        begun.expect_status(202).header("location").to_owned()
    }

    /// Sends a chunk that begins at `offset`.
    pub async fn append_upload(&self, location: &str, offset: usize, chunk: impl Into<Bytes>) -> Reply {
        let chunk = chunk.into();
        let range = format!("{offset}-{}", offset + chunk.len() - 1);
        Reply::to(self.request(Method::PATCH, location).header("content-range", range).body(chunk)).await
    }

    /// Sends the last chunk, which may be empty, and the digest.
    pub async fn finish_upload(&self, location: &str, digest: &str, chunk: impl Into<Bytes>) -> Reply {
        let separator = if location.contains('?') { '&' } else { '?' };
        let request = self.request(Method::PUT, &format!("{location}{separator}digest={digest}"));
        Reply::to(request.header(CONTENT_TYPE, "application/octet-stream").body(chunk.into())).await
    }

    /// GETs a blob.
    pub async fn get_blob(&self, repository: &str, digest: &str) -> Reply {
        self.get(&format!("/v2/{repository}/blobs/{digest}")).await
    }

    /// PUTs a manifest.
    pub async fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, body: &[u8]) -> Reply {
        let request = self.request(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"));
        Reply::to(request.header(CONTENT_TYPE, media_type).body(body.to_vec())).await
    }

    /// GETs a manifest.
    pub async fn get_manifest(&self, repository: &str, reference: &str) -> Reply {
        self.get(&format!("/v2/{repository}/manifests/{reference}")).await
    }

    /// Pushes an image of one layer under a tag, and returns the manifest's digest.
    pub async fn push_image(&self, repository: &str, tag: &str, layer: impl Into<Bytes>) -> String {
        let layer = layer.into();
        let size = layer.len();
        let layer = self.push_blob(repository, layer).await;
        let config = self.push_blob(repository, "{}").await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": size }],
        });
        let manifest = manifest.to_string();
        self.put_manifest(repository, tag, IMAGE_MANIFEST, manifest.as_bytes()).await.expect_status(201);
        digest(manifest.as_bytes())
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    what: String,
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// Sends the request; panics if there is no whole answer.
    pub async fn to(request: RequestBuilder) -> Self {
        Self::try_to(request).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends the request; an error means that there was no whole answer.
    pub async fn try_to(request: RequestBuilder) -> Result<Self, String> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| error.to_string())?;
        let what = format!("{} {}", request.method(), request.url());
        let failed = |error: reqwest::Error| format!("{what}: no answer: {error:?}");
        let response = client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?;
        Ok(Self { what, status, headers, body })
    }

    /// Checks the status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self}");
        self
    }

    /// Checks status and the code of the first error.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect_status(status);
        assert_eq!(reply.json()["errors"][0]["code"], code, "{reply}");
        reply
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// A required header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_else(|| panic!("no header {name}: {self}"))
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(2000)];
        write!(f, "{} answered {} {:?}\n{}", self.what, self.status, self.headers, String::from_utf8_lossy(shown))
    }
}

/// `sha256:` and the hash of these bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
