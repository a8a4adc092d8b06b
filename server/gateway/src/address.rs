//! Under which URL a client reaches the server.

use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};
use zot_domain::call::Origin;

/// A URL that answers name: as configured, or a path at the host by which the client reached the server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    /// The URL, where the configuration says so.
    pub configured: Option<String>,
    pub path: String,
}

impl Endpoint {
    /// The URL, for a client that sent such a request.
    pub fn url(&self, headers: &HeaderMap, uri: &Uri, origin: Origin) -> String {
        let own = || format!("{}{}", self.base_url(headers, uri, origin), self.path);
        self.configured.clone().unwrap_or_else(own)
    }

    /// The host by which the client reached the server, and whether by TLS: its own, or that of a proxy that is trusted.
    pub fn base_url(&self, headers: &HeaderMap, uri: &Uri, origin: Origin) -> String {
        let authority = uri.authority().map(axum::http::uri::Authority::as_str);
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority).unwrap_or("localhost");
        let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(*c)).collect();
        format!("{}://{host}", if self.tls || origin.tls { "https" } else { "http" })
    }
}
