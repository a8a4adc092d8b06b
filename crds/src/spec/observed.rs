//! Metrics and logs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule;

/// Metrics.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("(self.enabled && self.prometheus.enabled) || (!self.prometheus.serviceMonitor && !self.prometheus.rules)", "metrics.prometheus.serviceMonitor and rules need metrics.enabled and metrics.prometheus.enabled: there would be nothing to scrape"),
]))]
pub struct Metrics {
    /// Whether the servers collect metrics.
    pub enabled: bool,
    /// The endpoint for Prometheus.
    pub prometheus: Prometheus,
    /// Traces.
    pub tracing: Tracing,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, prometheus: Prometheus::default(), tracing: Tracing::default() }
    }
}

/// The endpoint for Prometheus.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Prometheus {
    /// Whether metrics are served, through the Service `NAME-metrics`.
    pub enabled: bool,
    /// Port of that Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Path of the endpoint.
    #[schemars(regex(pattern = r"^/.+"))]
    pub path: String,
    /// Whether a ServiceMonitor for the Prometheus operator is created.
    pub service_monitor: bool,
    /// Whether a PrometheusRule with alerts for the Prometheus operator is created.
    pub rules: bool,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { enabled: true, port: 8081, path: "/metrics".to_owned(), service_monitor: false, rules: false }
    }
}

/// Traces.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled", "metrics.tracing is not in this version: set metrics.tracing.enabled to false"),
]))]
pub struct Tracing {
    /// Not in this version: only false is accepted.
    pub enabled: bool,
}

/// Logs, which are written to standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Log {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// Format of a line.
    pub format: LogFormat,
}

/// A log level.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// Details for finding a fault.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// Something that somebody should look at.
    Warn,
    /// Failures.
    Error,
}

/// Format of a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Plain text.
    Text,
}
