//! What is measured and logged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule;

/// What is measured, and who scrapes it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("(self.enabled && self.prometheus.enabled) || (!self.prometheus.serviceMonitor && !self.prometheus.rules)", "metrics.prometheus.serviceMonitor and rules need metrics.enabled and metrics.prometheus.enabled: there would be nothing to scrape"),
]))]
pub struct Metrics {
    /// Whether anything is counted and measured.
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
    /// Whether it is served, at the Service `NAME-metrics`.
    pub enabled: bool,
    /// Port of that Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Its path.
    #[schemars(regex(pattern = r"^/.+"))]
    pub path: String,
    /// Whether a ServiceMonitor is made, for the Prometheus operator.
    pub service_monitor: bool,
    /// Whether alerts are made (a PrometheusRule), for the Prometheus operator.
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

/// What is logged, to standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Log {
    /// Least severe level that is written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
}

/// A level of severity.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// All there is.
    Trace,
    /// For those who look for a fault.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For machines.
    #[default]
    Json,
    /// For people.
    Text,
}
