//! What all APIs share: connections and TLS, request ids, log lines, metrics, CORS, limits and authentication; and
//! health and metrics for operators.
//!
//! This crate knows no path and no error format of an API. An API is an [`axum::Router`]: its [`Dialect`] says how its
//! requests are refused, and it takes the [`Caller`] out of each request.

mod address;
mod caller;
mod failure;
mod health;
mod jobs;
mod limits;
pub mod listen;
pub mod metrics;
mod middleware;
mod options;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;
use zot_domain::Artifacts;

pub use address::Endpoint;
pub use caller::{Authenticator, Caller, Sender};
pub use failure::{message, noted};
pub use health::Version;
pub use jobs::JobOutcome;
pub use limits::Dialect;
pub use middleware::{METHOD_NOT_ALLOWED, RouteTemplate, method_not_allowed, nothing_at};
pub use options::{Cors, HealthPaths, Notes, Options};

use crate::health::Health;
use crate::metrics::Metrics;

/// What all APIs of a server share. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Gateway {
    authenticator: Authenticator,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    options: Arc<Options>,
    draining: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
}

impl Gateway {
    /// A gateway that reports the health of the database and storage behind `artifacts`.
    pub fn new(
        authenticator: Authenticator,
        artifacts: Artifacts,
        metrics: Arc<Metrics>,
        options: Options,
        version: Version,
    ) -> Self {
        let health = Arc::new(Health::new(artifacts, version, &options));
        let (draining, in_flight) = (Arc::default(), Arc::default());
        Self { authenticator, metrics, health, options: Arc::new(options), draining, in_flight }
    }

    /// Makes readiness fail from now on, so that no new requests are sent here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Counts a run of a background job and shows it in `/health`, which is public: `error` must not contain secrets.
    pub fn job_ran(&self, job: &'static str, outcome: JobOutcome, duration: Duration, error: Option<&str>) {
        self.metrics.job_ran(job, outcome, duration);
        self.health.jobs.set(job, outcome, error);
    }

    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Adds the [`Caller`] to each request. The API refuses wrong credentials, in its dialect.
    pub fn authenticated(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.authenticator.clone(), caller::authenticate))
    }

    /// Applies the limits to the requests of an API, and answers for handlers that panic.
    pub fn limited<D: Dialect>(&self, router: Router, dialect: D) -> Router {
        router.layer(from_fn_with_state((self.clone(), dialect), limits::limit::<D>))
    }

    /// All routes of a port, with the layers of every port.
    pub fn port(&self, router: Router) -> Router {
        let router = router.layer(CatchPanicLayer::custom(middleware::panicked));
        let router = match &self.options.cors {
            Some(cors) => router.layer(cors.layer()),
            None => router,
        };
        router.layer(from_fn_with_state(self.clone(), middleware::observe))
    }

    /// The response to unknown paths; it names `known` ones.
    pub fn unknown(&self, known: &'static str) -> Router {
        self.authenticated(Router::new().fallback(async move |request| middleware::not_found(&request, known)))
    }

    /// Health and metrics, if configured. They need no credentials, even if authentication is unavailable, and have no
    /// limits.
    pub fn operations(&self) -> (Router, OpenApi) {
        let mut table = OpenApiRouter::new();
        if let Some(paths) = &self.options.health {
            table = table
                .routes(at(&paths.health, routes!(health::health)))
                .routes(at(&paths.live, routes!(health::live)))
                .routes(at(&paths.ready, routes!(health::ready)));
        }
        if let Some(path) = &self.options.metrics_path {
            table = table.routes(at(path, routes!(metrics::scrape)));
        }
        let (router, document) = table.split_for_parts();
        (router.method_not_allowed_fallback(method_not_allowed).with_state(self.clone()), document)
    }
}

/// The same handler at another path.
fn at(path: &str, (schemas, mut paths, handlers): UtoipaMethodRouter<Gateway>) -> UtoipaMethodRouter<Gateway> {
    paths.paths = paths.paths.into_values().map(|item| (path.to_owned(), item)).collect();
    (schemas, paths, handlers)
}
