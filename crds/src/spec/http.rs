//! HTTP, the S3 API, registry tokens and limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NAME, rule};

/// The HTTP server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http {
    /// The port that servers listen on.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// TLS between clients (or the proxy) and the servers.
    pub tls: HttpTls,
    /// Whether the servers refuse every change.
    pub read_only: bool,
    /// Realm in Basic authentication challenges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Networks of trusted proxies, such as `10.0.0.0/8`. The servers accept the client address and scheme from their headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// CORS: web pages that may call the store.
    pub cors: Cors,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            port: 8080,
            tls: HttpTls::default(),
            read_only: false,
            realm: None,
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
        }
    }
}

/// TLS between clients (or the proxy) and the servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled || has(self.certSecretName)", "http.tls.enabled needs http.tls.certSecretName, a Secret of type kubernetes.io/tls"),
]))]
pub struct HttpTls {
    /// Whether the servers use TLS.
    pub enabled: bool,
    /// Secret of type `kubernetes.io/tls`, with `tls.crt` and `tls.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub cert_secret_name: Option<String>,
    /// Secret whose `ca.crt` holds the CAs of client certificates. If it is set, clients must present a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub client_ca_secret_name: Option<String>,
}

/// CORS: web pages that may call the store.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cors {
    /// Origins such as `https://ui.example.com`, or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origin: Vec<String>,
    /// Methods that pages may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// Request headers that pages may send.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
    /// Response headers that pages may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
}

/// Registry tokens, temporary credentials and master keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Auth {
    /// Registry tokens.
    pub bearer: Bearer,
    /// Longest validity of temporary S3 credentials, `15m` to `12h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max_duration: Option<String>,
    /// How many failed logins per minute one address may make with one access key. 0 means no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failures_per_minute: Option<i32>,
    /// Secret whose key `keys` holds the master keys that encrypt secrets in the database: one per line, the current one first.
    /// By default the operator generates one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub key_secret: Option<String>,
}

/// Registry tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bearer {
    /// URL of the token endpoint, as clients reach it. The default is the host of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Audience of the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// APIs beside the registry.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Extensions {
    /// The S3 API.
    pub s3api: S3Api,
}

/// The S3 API.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.port == 0 || self.port >= 1024", "extensions.s3api.port has to be 1024 or more, as servers do not run as root; 0 is none"),
]))]
pub struct S3Api {
    /// Whether the S3 API is served.
    pub enabled: bool,
    /// Separate port of the S3 API. 0 means none: the API is then served only below `basePath` of the main port.
    #[schemars(range(min = 0, max = 65535))]
    pub port: i32,
    /// Path of the S3 API on the main port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_path: Option<String>,
    /// Domain of virtual-host addresses, `bucket.<domain>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The largest request body, such as `5Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_upload_size: Option<String>,
    /// Whether multipart uploads are accepted.
    pub enable_multipart: bool,
    /// Whether presigned URLs are accepted.
    #[serde(rename = "enablePresignedURL")]
    pub enable_presigned_url: bool,
}

impl Default for S3Api {
    fn default() -> Self {
        Self {
            enabled: true,
            port: 9000,
            base_path: None,
            domain: None,
            max_upload_size: None,
            enable_multipart: true,
            enable_presigned_url: true,
        }
    }
}

/// Signatures, SBOMs and attestations.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled", "supplyChain is not in this version: set supplyChain.enabled to false (cosign and oras can push signatures today)"),
]))]
pub struct SupplyChain {
    /// Not in this version: only false is accepted.
    pub enabled: bool,
}

/// Limits of a server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// The largest number of concurrent requests. Further requests get status 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent_requests: Option<i32>,
    /// The largest request body, such as `10Gi`. Larger requests get status 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_body_size: Option<String>,
    /// The longest duration of a request, such as `300s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<String>,
}
