//! `extensions.*`: the S3 API, metrics and health. Access control is in `rbac.rs`, unsupported extensions in
//! `keys/refused.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Rbac};

/// `extensions`: the parts beyond zot's core.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Extensions {
    /// The S3 API.
    pub s3api: S3Api,
    /// Access control.
    pub rbac: Rbac,
    /// Metrics and health.
    pub metrics: Metrics,
}

/// `extensions.metrics`: metrics and health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Metrics {
    /// Collect metrics.
    pub enabled: bool,
    /// The Prometheus endpoint.
    pub prometheus: Prometheus,
    /// The health endpoints.
    pub health: Health,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, prometheus: Prometheus::default(), health: Health::default() }
    }
}

/// `extensions.metrics.prometheus`: the Prometheus endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Prometheus {
    /// Serve the metrics.
    pub enabled: bool,
    /// Path of the endpoint, from `/`.
    pub path: String,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { enabled: true, path: "/metrics".to_owned() }
    }
}

/// `extensions.metrics.health`: the health endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Health {
    /// Serve the health endpoints.
    pub enabled: bool,
    /// Path of the readiness probe, from `/`: whether the server can serve requests.
    pub readiness_path: String,
    /// Path of the liveness probe, from `/`: whether the process is alive.
    pub liveness_path: String,
    /// Path of the health report, from `/`: the state of each component.
    pub health_path: String,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enabled: true,
            readiness_path: "/health/ready".to_owned(),
            liveness_path: "/health/live".to_owned(),
            health_path: "/health".to_owned(),
        }
    }
}

/// `extensions.s3api`: the S3 API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct S3Api {
    /// Whether buckets and objects are served.
    pub enabled: bool,
    /// Path of the S3 API on the main port. Clients use path-style addresses there.
    pub base_path: String,
    /// A port for the S3 API alone; 0: none.
    #[schemars(extend("type" = serde_json::json!(["integer", "string"]), "pattern" = "^[0-9]{1,5}$"))]
    pub port: u16,
    /// Largest body of one request, in bytes: an object, or a part of one.
    pub max_upload_size: ByteSize,
    /// Whether objects can be uploaded in parts.
    pub enable_multipart: bool,
    /// Whether presigned URLs are accepted.
    #[serde(rename = "enablePresignedURL")]
    pub enable_presigned_url: bool,
    /// Domain of virtual-host addresses: `bucket.<domain>`. Without it only path-style addresses work.
    pub domain: Option<String>,
}

impl Default for S3Api {
    fn default() -> Self {
        Self {
            enabled: true,
            base_path: "/s3".to_owned(),
            port: 9000,
            max_upload_size: ByteSize(5 << 30),
            enable_multipart: true,
            enable_presigned_url: true,
            domain: None,
        }
    }
}
