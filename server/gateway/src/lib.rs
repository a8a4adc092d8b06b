//! The HTTP doors on the main port: OCI registry, registry tokens, health and metrics.
//!
//! [`router`] is the table of contents. A handler parses its dialect, calls one use case of `zot-domain`, and puts the
//! outcome into its dialect; it decides nothing. This crate knows neither SQL nor storage.

mod auth;
mod failure;
mod health;
pub mod metrics;
mod middleware;
mod oci;
mod options;
mod rest;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tower_http::catch_panic::CatchPanicLayer;
use zot_domain::{Access, Artifacts, AuditLog, Buckets, Error};
use zot_identity::{Accounts, Identity};

pub use health::Version;
pub use options::{Cors, HealthPaths, Notes, Options};
pub use rest::audit::Entry as AuditEntry;

use crate::health::Health;
use crate::metrics::Metrics;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    artifacts: Artifacts,
    identity: Arc<Identity>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    options: Arc<Options>,
    draining: Arc<AtomicBool>,
    mounted: Vec<(String, Mounted)>,
    limited: Arc<AtomicUsize>,
    buckets: Option<Buckets>,
    access: Option<Access>,
    audit: Option<AuditLog>,
    accounts: Option<Accounts>,
    document: Arc<OnceLock<Bytes>>,
}

/// Another door: it gets requests as they came, and answers for itself in its own dialect.
#[derive(Clone)]
pub struct Mounted {
    /// Serves a request.
    pub serve: Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
    /// How a request will be refused that is beyond the limits.
    pub refusal: Arc<dyn Fn(&Request) -> Refusal + Send + Sync>,
}

/// The refusal of one request.
pub type Refusal = Box<dyn FnOnce(Error) -> Response + Send>;

impl Mounted {
    async fn call(&self, app: &App, request: Request) -> Response {
        let refuse = (self.refusal)(&request);
        middleware::within_limits(app, refuse, (self.serve)(request)).await
    }
}

impl App {
    /// The doors over these use cases.
    pub fn new(
        artifacts: Artifacts,
        identity: Arc<Identity>,
        metrics: Arc<Metrics>,
        options: Options,
        version: Version,
    ) -> Self {
        let health = Arc::new(Health::new(artifacts.clone(), version, &options));
        Self {
            artifacts,
            identity,
            metrics,
            health,
            options: Arc::new(options),
            draining: Arc::new(AtomicBool::new(false)),
            mounted: Vec::new(),
            limited: Arc::new(AtomicUsize::new(0)),
            buckets: None,
            access: None,
            audit: None,
            accounts: None,
            document: Arc::default(),
        }
    }

    /// With objects behind the REST door.
    #[must_use]
    pub fn with_objects(mut self, buckets: Buckets) -> Self {
        self.buckets = Some(buckets);
        self
    }

    /// With policies, accounts and access keys behind the REST door.
    #[must_use]
    pub fn with_access(mut self, access: Access, accounts: Accounts) -> Self {
        self.access = Some(access);
        self.accounts = Some(accounts);
        self
    }

    /// With the audit trail behind the REST door.
    #[must_use]
    pub fn with_audit(mut self, audit: AuditLog) -> Self {
        self.audit = Some(audit);
        self
    }

    /// With another door below `prefix`.
    #[must_use]
    pub fn mount(mut self, prefix: &str, door: Mounted) -> Self {
        self.mounted.push((prefix.to_owned(), door));
        self
    }

    /// From now on readiness is red, so that no new requests are sent here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// A port of its own for another door: with request ids, logs, metrics, limits and CORS like the main port.
pub fn own_port(app: App, door: Mounted) -> Router {
    let serve = async move |State(app): State<App>, request: Request| door.call(&app, request).await;
    surrounded(Router::new().fallback(serve), app)
}

/// What every port has around its routes.
fn surrounded(router: Router<App>, app: App) -> Router {
    let router = router.layer(CatchPanicLayer::custom(middleware::panicked));
    let router = match &app.options.cors {
        Some(cors) => router.layer(cors.layer()),
        None => router,
    };
    router.layer(axum::middleware::from_fn_with_state(app.clone(), middleware::observe)).with_state(app)
}

/// All routes of the main port.
pub fn router(app: App) -> Router {
    let router = Router::new()
        // OCI distribution-spec 1.1: docker, podman, oras, helm, cosign …; names hold slashes, so `oci` parses the path
        .route("/v2", any(oci::serve))
        .route("/v2/", any(oci::serve))
        .route("/v2/{*path}", any(oci::serve))
        // REST: command line, client libraries; registry tokens
        .merge(rest::router())
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::limits))
        .layer(axum::middleware::from_fn_with_state(app.clone(), auth::authenticate));
    // what says how the store is and how to log in must answer while nobody can be asked who somebody is
    let open = rest::open_router(&app.options)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::limits));
    let layered = router.merge(open);
    // other doors know their own signatures and their own dialect of refusal
    let layered = app.mounted.iter().fold(layered, |router, (prefix, door)| {
        let door = door.clone();
        let serve = any(async move |State(app): State<App>, request: Request| door.call(&app, request).await);
        router
            .route(prefix, serve.clone())
            .route(&format!("{prefix}/"), serve.clone())
            .route(&format!("{prefix}/{{*path}}"), serve)
    });
    surrounded(layered, app)
}
