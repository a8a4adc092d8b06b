//! The HTTP doors on the main port: OCI registry, registry tokens, health and metrics.
//!
//! [`router`] is the table of contents. A handler parses its dialect, calls one use case of `zot-domain`, and puts the
//! outcome into its dialect; it decides nothing. This crate knows neither SQL nor storage.

pub mod auth;
mod health;
pub mod metrics;
mod middleware;
mod oci;
mod options;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use zot_domain::Artifacts;

pub use health::Version;
pub use options::{Cors, HealthPaths, Options};

use crate::auth::Authenticator;
use crate::health::Health;
use crate::metrics::Metrics;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    artifacts: Artifacts,
    auth: Arc<Authenticator>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    options: Arc<Options>,
    draining: Arc<AtomicBool>,
}

impl App {
    /// The doors over these use cases.
    pub fn new(
        artifacts: Artifacts,
        auth: Authenticator,
        metrics: Arc<Metrics>,
        options: Options,
        version: Version,
    ) -> Self {
        let health = Arc::new(Health::new(artifacts.clone(), version, options.warnings.clone()));
        Self {
            artifacts,
            auth: Arc::new(auth),
            metrics,
            health,
            options: Arc::new(options),
            draining: Arc::new(AtomicBool::new(false)),
        }
    }

    /// From now on readiness is red, so that no new requests are sent here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// All routes of the main port.
pub fn router(app: App) -> Router {
    let mut router = Router::new()
        // OCI distribution-spec 1.1: docker, podman, oras, helm, cosign …; names hold slashes, so `oci` parses the path
        .route("/v2", any(oci::serve))
        .route("/v2/", any(oci::serve))
        .route("/v2/{*path}", any(oci::serve))
        // the registry token protocol
        .route("/auth/token", get(auth::token::get).post(auth::token::post));
    // operations
    if let Some(paths) = &app.options.health {
        router = router
            .route(&paths.health, get(health::health))
            .route(&paths.live, get(health::live))
            .route(&paths.ready, get(health::ready));
    }
    if let Some(path) = &app.options.metrics_path {
        router = router.route(path, get(metrics::scrape));
    }
    let router = router.fallback(middleware::not_found).method_not_allowed_fallback(middleware::method_not_allowed);
    let layered = router
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::limits))
        .layer(axum::middleware::from_fn_with_state(app.clone(), auth::authenticate))
        .layer(CatchPanicLayer::custom(middleware::panicked));
    let layered = match &app.options.cors {
        Some(cors) => layered.layer(cors.layer()),
        None => layered,
    };
    layered.layer(axum::middleware::from_fn_with_state(app.clone(), middleware::observe)).with_state(app)
}
