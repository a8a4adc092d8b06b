//! Health: live (the process), ready (database, schema, storage), and a report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use zot_domain::{Artifacts, Error};

use crate::Gateway;
use crate::jobs::{JobResult, JobResults};
use crate::options::{Notes, Options};

/// A probe that takes longer counts as failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Probe results are reused for this long, so that frequent health requests do not load the backends.
const FRESH: Duration = Duration::from_secs(1);

/// The rest of a disk is reserved for the database and garbage collection.
const FULL: &str = "the disk is nearly full: pushes fail with 503 until garbage collection frees \
                    deleted artifacts, or the disk grows";

/// The server's version.
#[derive(Clone, Copy, Debug)]
pub struct Version(pub &'static str);

/// Probes the components and caches the results.
pub(crate) struct Health {
    artifacts: Artifacts,
    version: Version,
    warnings: Vec<String>,
    notes: Notes,
    started: jiff::Timestamp,
    begun: Instant,
    last: Mutex<Option<(Instant, Arc<Vec<Check>>)>>,
    pub(crate) jobs: JobResults,
}

struct Check {
    component: &'static str,
    message: Option<&'static str>,
    at: jiff::Timestamp,
}

/// The health of the store.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct Report {
    /// `unhealthy`: a component fails; `degraded`: there are warnings.
    #[schema(pattern = "^(healthy|degraded|unhealthy)$")]
    status: &'static str,
    version: &'static str,
    /// In nanoseconds.
    uptime: u64,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    checked_at: String,
    checks: Vec<Entry>,
    /// The same by the component's name.
    components: BTreeMap<&'static str, Component>,
    /// The last run of each background job of this server, by the job's name. A job that has not run yet is absent.
    jobs: BTreeMap<&'static str, JobResult>,
    /// What an operator should check.
    warnings: Vec<String>,
}

/// One component's probe.
#[derive(Serialize, ToSchema)]
#[schema(as = HealthCheck)]
struct Entry {
    component: &'static str,
    #[schema(pattern = "^(healthy|unhealthy)$")]
    status: &'static str,
    /// What is wrong.
    #[schema(required)]
    message: Option<&'static str>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// One component's probe, by its name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthComponent)]
struct Component {
    #[schema(pattern = "^(healthy|unhealthy)$")]
    status: &'static str,
    /// What is wrong.
    #[schema(required)]
    message: Option<&'static str>,
    #[schema(format = DateTime)]
    last_check: String,
}

/// A state in one word.
#[derive(Serialize, ToSchema)]
#[schema(as = HealthStatus)]
pub(crate) struct Word {
    status: &'static str,
}

impl Health {
    pub(crate) fn new(artifacts: Artifacts, version: Version, options: &Options) -> Self {
        let (last, jobs) = (Mutex::new(None), JobResults::default());
        let (warnings, notes) = (options.warnings.clone(), options.notes.clone());
        let (started, begun) = (zot_core::ambient::now(), Instant::now());
        Self { artifacts, version, warnings, notes, started, begun, last, jobs }
    }

    async fn checks(&self) -> Arc<Vec<Check>> {
        let mut last = self.last.lock().await;
        if let Some((at, checks)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(checks);
        }
        let (metadata, storage) = tokio::join!(
            check(
                "metadata_store",
                "the database does not answer, or its schema is not for this server",
                self.artifacts.probe_metadata()
            ),
            check("storage", "the blob storage does not answer", self.artifacts.probe_storage()),
        );
        let checks = Arc::new(vec![metadata, storage]);
        *last = Some((Instant::now(), Arc::clone(&checks)));
        checks
    }

    fn report(&self, checks: &[Check]) -> Report {
        let healthy = checks.iter().all(|check| check.message.is_none());
        let mut warnings = [self.warnings.clone(), self.notes.all()].concat();
        if !self.artifacts.accepts_content() {
            warnings.push(FULL.to_owned());
        }
        let status = match (healthy, warnings.is_empty()) {
            (false, _) => "unhealthy",
            (true, false) => "degraded",
            (true, true) => "healthy",
        };
        Report {
            status,
            version: self.version.0,
            uptime: u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
            start_time: self.started.to_string(),
            checked_at: zot_core::ambient::now().to_string(),
            checks: checks.iter().map(Check::entry).collect(),
            components: checks.iter().map(|check| (check.component, check.summary())).collect(),
            jobs: self.jobs.all(),
            warnings,
        }
    }
}

async fn check(component: &'static str, why: &'static str, probe: impl Future<Output = Result<(), Error>>) -> Check {
    let message = match tokio::time::timeout(PROBE_TIMEOUT, probe).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(component, %error, source, "a probe failed");
            Some(why)
        }
        Err(_) => Some("the probe timed out"),
    };
    Check { component, message, at: zot_core::ambient::now() }
}

impl Check {
    fn status(&self) -> &'static str {
        if self.message.is_none() { "healthy" } else { "unhealthy" }
    }

    fn entry(&self) -> Entry {
        let (status, message, timestamp) = (self.status(), self.message, self.at.to_string());
        Entry { component: self.component, status, message, timestamp }
    }

    fn summary(&self) -> Component {
        Component { status: self.status(), message: self.message, last_check: self.at.to_string() }
    }
}

/// Reports the health of the store.
#[utoipa::path(
    get, path = "/health", operation_id = "getHealth", tag = "operations", security(()),
    responses(
        (status = 200, description = "All components answer.", body = Report),
        (status = 503, description = "A component fails.", body = Report),
    ),
)]
pub(crate) async fn health(State(gateway): State<Gateway>) -> Response {
    let report = gateway.health.report(&gateway.health.checks().await);
    let status = if report.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(report)).into_response()
}

/// Says whether the process runs.
///
/// It does not fail with the database, or Kubernetes would restart us in vain.
#[utoipa::path(
    get, path = "/health/live", operation_id = "getLiveness", tag = "operations", security(()),
    responses((status = 200, description = "It runs: `alive`.", body = Word)),
)]
pub(crate) async fn live() -> Response {
    Json(Word { status: "alive" }).into_response()
}

/// Says whether requests can be served here.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "getReadiness", tag = "operations", security(()),
    responses(
        (status = 200, description = "They can: `ready`.", body = Word),
        (status = 503, description = "Not now: `not_ready`.", body = Word),
    ),
)]
pub(crate) async fn ready(State(gateway): State<Gateway>) -> Response {
    let well = !gateway.draining.load(Ordering::Relaxed)
        && gateway.health.checks().await.iter().all(|check| check.message.is_none());
    let (status, word) = if well { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (status, Json(Word { status: word })).into_response()
}
