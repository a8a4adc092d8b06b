//! `http.*`: the listener. Authentication is in `auth.rs` and `rbac.rs`, limits in `limits.rs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// `http`: the listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Http {
    /// IP address or host name to bind, without a port; `0.0.0.0` is all interfaces. The default is loopback, so that no
    /// server is reachable from other machines unless it was asked to be.
    #[schemars(extend("x-default" = "`127.0.0.1`"))]
    pub address: Option<String>,
    /// TCP port, 0 to 65535, as a number or a string; 0 takes any free port.
    #[schemars(extend("type" = json!(["integer", "string"]), "pattern" = "^[0-9]{1,5}$"))]
    pub port: u16,
    /// Serve HTTPS with this certificate; plain HTTP when absent.
    pub tls: Option<Tls>,
    /// Which web pages may call the server. No origin is allowed by default.
    pub cors: Cors,
    /// Realm named in Basic challenges.
    pub realm: String,
    /// Networks of trusted proxies, such as `10.0.0.0/8`: the client's address and scheme are read from their
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub trusted_proxies: Vec<String>,
    /// Refuse all changes, and collect no garbage in the background.
    pub read_only: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: None,
            port: 8080,
            tls: None,
            cors: Cors::default(),
            realm: "zot-artifact-store".to_owned(),
            trusted_proxies: Vec::new(),
            read_only: false,
        }
    }
}

/// `http.tls`: certificate files, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// Certificate chain, PEM file, the server's own certificate first.
    pub cert: PathBuf,
    /// Private key of the certificate, PEM file.
    pub key: PathBuf,
    /// Certificate authorities for client certificates, PEM file; when given, clients must present one.
    pub cacert: Option<PathBuf>,
}

/// `http.cors`: cross-origin requests from web pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cors {
    /// Origins such as `https://ui.example.com`, or `*` for all; a list, or one string with commas.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub allow_origin: Vec<String>,
    /// Methods that pages may use.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub allow_methods: Vec<String>,
    /// Request headers that pages may send.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub allow_headers: Vec<String>,
    /// Response headers that pages may read.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub expose_headers: Vec<String>,
}
