//! The validated gateway settings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

/// Settings of all ports.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// None: health is not served.
    pub health: Option<HealthPaths>,
    /// None: metrics are not served.
    pub metrics_path: Option<String>,
    /// Cross-origin access for browsers.
    pub cors: Option<Cors>,
    /// Further requests are answered 503.
    pub max_concurrent_requests: Option<usize>,
    /// Until a response begins.
    pub request_timeout: Option<Duration>,
    /// Networks of trusted proxies, whose headers tell a client's address and scheme.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Shown by `/health`.
    pub warnings: Vec<String>,
    /// Shown by `/health` too; they change while the server runs.
    pub notes: Notes,
}

/// Current warnings, one sentence for each topic. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notes {
    /// Sets or removes the warning of a topic.
    pub fn set(&self, topic: &'static str, note: Option<String>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Some(note) => notes.insert(topic, note),
            None => notes.remove(topic),
        };
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[derive(Clone, Debug)]
pub struct HealthPaths {
    pub health: String,
    /// Whether the process runs.
    pub live: String,
    /// Whether requests can be served.
    pub ready: String,
}

#[derive(Clone, Debug)]
pub struct Cors {
    /// Empty or one `*`: any.
    pub origins: Vec<HeaderValue>,
    pub methods: Vec<Method>,
    pub headers: Vec<HeaderName>,
    /// Response headers that scripts may read.
    pub expose: Vec<HeaderName>,
}

impl Cors {
    pub(crate) fn layer(&self) -> CorsLayer {
        let any = self.origins.is_empty() || self.origins.iter().any(|origin| origin == "*");
        let origins = if any { AllowOrigin::any() } else { AllowOrigin::list(self.origins.clone()) };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(AllowMethods::list(self.methods.clone()))
            .allow_headers(AllowHeaders::list(self.headers.clone()))
            .expose_headers(ExposeHeaders::list(self.expose.clone()))
    }
}
