//! How the server speaks: HTTP, the S3 API, registry tokens, and bounds on what it takes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{NAME, rule};

/// How the server speaks HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http {
    /// The port that servers listen on.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// TLS up to the server.
    pub tls: HttpTls,
    /// Refuse everything that would change the store.
    pub read_only: bool,
    /// Realm named in Basic challenges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Networks of proxies that are believed when they tell a client's address and scheme, such as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// Web pages that may call the store.
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

/// TLS up to the server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled || has(self.certSecretName)", "http.tls.enabled needs http.tls.certSecretName, a Secret of type kubernetes.io/tls"),
]))]
pub struct HttpTls {
    /// Whether servers speak TLS.
    pub enabled: bool,
    /// A Secret of type `kubernetes.io/tls`, with `tls.crt` and `tls.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub cert_secret_name: Option<String>,
    /// A Secret with `ca.crt`, authorities of client certificates; then clients must present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub client_ca_secret_name: Option<String>,
}

/// Web pages that may call the store.
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

/// How clients get registry tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Auth {
    /// Registry tokens.
    pub bearer: Bearer,
    /// Longest life of temporary credentials for S3, `15m` to `12h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max_duration: Option<String>,
    /// Wrong credentials a minute that one address may present for one access key; 0: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failures_per_minute: Option<i32>,
    /// A Secret whose key `keys` has the master keys of what is encrypted in the database, one a line, the one in use first. By
    /// default the operator makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub key_secret: Option<String>,
}

/// Registry tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bearer {
    /// URL of the token endpoint as clients reach it; by default the host that they came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Audience that tokens are issued for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// What is beside the registry.
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
    /// Whether buckets and objects are served.
    pub enabled: bool,
    /// Its own port, at whose root it is served; 0: none, it is below `basePath` of the main port alone.
    #[schemars(range(min = 0, max = 65535))]
    pub port: i32,
    /// Where it is served on the main port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_path: Option<String>,
    /// Domain of virtual-host addresses: `bucket.<domain>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Largest body of one request, such as `5Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_upload_size: Option<String>,
    /// Whether objects can be uploaded in parts.
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

/// Bounds on what a server takes on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Most requests in work at once; further ones are answered 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent_requests: Option<i32>,
    /// Largest body of one request, such as `10Gi`; larger ones are answered 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_body_size: Option<String>,
    /// Longest time a request may take, such as `300s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<String>,
}
