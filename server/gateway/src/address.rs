//! The URL at which a client reaches the server.

use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};
use zot_domain::call::Origin;

/// A URL for responses: as configured, or a path at the host by which the client reached the server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    pub configured: Option<String>,
    pub path: String,
}

impl Endpoint {
    /// The URL for a client that sent this request.
    pub fn url(&self, headers: &HeaderMap, uri: &Uri, origin: Origin) -> String {
        let own = || format!("{}{}", self.base_url(headers, uri, origin), self.path);
        self.configured.clone().unwrap_or_else(own)
    }

    /// The scheme and host by which the client reached the server: its own, or those of a trusted proxy.
    pub fn base_url(&self, headers: &HeaderMap, uri: &Uri, origin: Origin) -> String {
        let authority = uri.authority().map(axum::http::uri::Authority::as_str);
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority).unwrap_or("localhost");
        let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(*c)).collect();
        format!("{}://{host}", if self.tls || origin.tls { "https" } else { "http" })
    }
}
