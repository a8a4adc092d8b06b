//! A server from a client's view: its address, and how requests to it are built.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::content::{Body, Content};
use crate::error::Result;
use crate::http::{Connection, Request};
use crate::sign::{Signer, UNSIGNED};

/// The bucket of all objects. It is also a namespace of the OCI API, so repositories use another one.
pub(crate) const BUCKET: &str = "bench-objects";
/// Repository of all images.
pub(crate) const REPOSITORY: &str = "bench-images/app";

/// An access key and its secret.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub id: String,
    pub secret: String,
}

/// The target of requests.
pub(crate) struct Target {
    pub address: SocketAddr,
    /// The content of requests.
    pub content: Arc<Content>,
    /// The path of the S3 API; empty on the S3 port.
    s3_path: &'static str,
    signer: Option<Signer>,
    authorization: String,
}

impl Target {
    /// A server at this address, with the S3 API at `s3_path`. With a key, requests are authenticated: S3's
    /// by signatures, the registry's by Basic.
    pub(crate) fn new(
        address: SocketAddr,
        s3_path: &'static str,
        key: Option<&AccessKey>,
        content: Arc<Content>,
    ) -> Self {
        let authorization = key.map_or_else(String::new, |key| {
            format!("authorization: Basic {}\r\n", STANDARD.encode(format!("{}:{}", key.id, key.secret)))
        });
        let signer = key.map(|key| Signer::new(&key.id, &key.secret));
        Self { address, content, s3_path, signer, authorization }
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address).await
    }

    /// A request for the bucket, or for an object of it; `query` is canonical. The signature does not cover the body.
    pub(crate) fn s3(&self, method: &'static str, key: &str, query: &str, body: Body) -> Request {
        self.s3_signed(method, key, query, body, UNSIGNED)
    }

    /// The same; `payload` is the SHA-256 of the body, which the signature covers.
    pub(crate) fn s3_signed(&self, method: &'static str, key: &str, query: &str, body: Body, payload: &str) -> Request {
        let slash = if key.is_empty() { "" } else { "/" };
        let path = format!("{}/{BUCKET}{slash}{key}", self.s3_path);
        let headers = self.signer.as_ref().map_or_else(String::new, |signer| {
            signer.headers(method, &self.address.to_string(), &path, query, payload)
        });
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        Request { method, path, headers, body }
    }

    /// A request to the registry: below the repository, or to a location that it named.
    pub(crate) fn oci(&self, method: &'static str, path: &str, headers: &str, body: Body) -> Request {
        let path = match path.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned(),
            None if path.starts_with('/') => path.to_owned(),
            None => format!("/v2/{REPOSITORY}/{path}"),
        };
        Request { method, path, headers: format!("{}{headers}", self.authorization), body }
    }
}
