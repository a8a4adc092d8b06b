//! Prometheus metrics: `docs/reference/metrics.md` has their names. Labels are bounded: clients cannot create series.

mod collection;
mod decisions;
mod jobs;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use zot_domain::decision_log::Checks;
use zot_domain::decision_log::Figures;
use zot_domain::gc::Report;
use zot_domain::observed::{Authentication, Direction, Fault, Transfer};

use crate::Gateway;
use crate::jobs::JobOutcome;

const DURATIONS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Namespaces with their own series; the others share `other`.
const BUCKETS_MAX: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    bucket: String,
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Deletion {
    bucket: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Size {
    bucket: String,
    r#type: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
    bucket: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    endpoint: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthenticationLabels {
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    r#type: &'static str,
    component: &'static str,
}

/// Values that are read at each scrape.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub connections_open: usize,
    pub connections_idle: usize,
    /// Writes that wait for a commit (SQLite).
    pub queued_writes: usize,
    pub checks: Vec<Checks>,
    /// The audit trail's queue.
    pub audit: Figures,
}

pub type Sampler = Box<dyn Fn() -> Sample + Send + Sync>;

pub struct Metrics {
    registry: Registry,
    uploads: Family<TransferLabels, Counter>,
    downloads: Family<TransferLabels, Counter>,
    deletes: Family<Deletion, Counter>,
    sizes: Family<Size, Histogram>,
    durations: Family<Operation, Histogram>,
    requests: Family<Request, Counter>,
    authentications: Family<AuthenticationLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    collection: collection::Counters,
    decisions: decisions::Counters,
    jobs: jobs::Counters,
    connections: Gauge,
    gauges: Gauges,
    active: Arc<AtomicUsize>,
    buckets: Mutex<HashSet<String>>,
    sampler: Sampler,
}

#[derive(Default)]
struct Gauges {
    requests: Gauge,
    resident: Gauge,
    files: Gauge,
    open: Gauge,
    idle: Gauge,
    queued: Gauge,
}

impl Metrics {
    /// Metrics whose sampled values come from `sampler`.
    pub fn new(sampler: Sampler) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            uploads: Family::default(),
            downloads: Family::default(),
            deletes: Family::default(),
            sizes: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1024.0, 10.0, 8))),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            requests: Family::default(),
            authentications: Family::default(),
            faults: Family::default(),
            collection: collection::Counters::default(),
            decisions: decisions::Counters::default(),
            jobs: jobs::Counters::new(),
            connections: Gauge::default(),
            gauges: Gauges::default(),
            active: Arc::default(),
            buckets: Mutex::new(HashSet::new()),
            sampler,
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("artifact_uploads", "Blobs and manifests pushed", self.uploads.clone());
        registry.register("artifact_downloads", "Blobs and manifests pulled", self.downloads.clone());
        registry.register("artifact_deletes", "Blobs, manifests and tags deleted", self.deletes.clone());
        registry.register_with_unit("artifact_size", "Size of what was transferred", Unit::Bytes, self.sizes.clone());
        registry.register_with_unit(
            "artifact_operation_duration",
            "Time until the response began",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register("system_requests", "Requests by route and status", self.requests.clone());
        registry.register("rbac_authentication_attempts", "Credentials presented", self.authentications.clone());
        registry.register("system_errors", "Failures of the server or what it depends on", self.faults.clone());
        self.collection.register(registry);
        self.decisions.register(registry);
        self.jobs.register(registry);
        registry.register("system_active_connections", "Open client connections", self.connections.clone());
        registry.register("system_active_requests", "Requests being served", self.gauges.requests.clone());
        registry.register_with_unit(
            "process_resident_memory",
            "Resident memory",
            Unit::Bytes,
            self.gauges.resident.clone(),
        );
        registry.register("process_open_fds", "Open file handles", self.gauges.files.clone());
        registry.register("database_connections_open", "Open database connections", self.gauges.open.clone());
        registry.register("database_connections_idle", "Idle database connections", self.gauges.idle.clone());
        registry.register("database_queued_writes", "Writes that wait for a commit", self.gauges.queued.clone());
    }

    /// A garbage collection ended or failed.
    pub fn collected(&self, outcome: Result<&Report, ()>) {
        self.collection.count(outcome);
    }

    pub(crate) fn job_ran(&self, job: &'static str, outcome: JobOutcome, duration: Duration) {
        self.jobs.count(job, outcome, duration);
    }

    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// The number of requests in progress; each has a slot.
    pub(crate) fn active(&self) -> &Arc<AtomicUsize> {
        &self.active
    }

    pub(crate) fn responded(&self, method: &str, endpoint: &str, status: u16) {
        let method = if KNOWN_METHODS.contains(&method) { method } else { "OTHER" };
        let labels = Request { method: method.to_owned(), endpoint: endpoint.to_owned(), status: status.to_string() };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts what an API observed.
    pub(crate) fn observed(&self, response: &Response, begun: Instant) {
        let extensions = response.extensions();
        if let Some(transfer) = extensions.get() {
            self.transferred(transfer, begun);
        }
        if let Some(Authentication { method, success }) = extensions.get() {
            let labels = AuthenticationLabels { method, status: status(*success) };
            self.authentications.get_or_create(&labels).inc();
        }
        if let Some(Fault { kind, component }) = extensions.get() {
            self.faults.get_or_create(&FaultLabels { r#type: kind, component }).inc();
        }
    }

    fn transferred(&self, transfer: &Transfer, begun: Instant) {
        let (operation, counter) = match transfer.direction {
            Direction::Upload => ("upload", &self.uploads),
            Direction::Download => ("download", &self.downloads),
            Direction::Delete => return self.deleted(transfer),
        };
        let Some(size) = transfer.bytes else {
            // the namespace of a failed transfer may be any text of a client
            let labels = TransferLabels { bucket: "other".to_owned(), r#type: "unknown", status: "failure" };
            counter.get_or_create(&labels).inc();
            return;
        };
        let (bucket, kind) = (self.bucket(&transfer.bucket), transfer.kind);
        counter.get_or_create(&TransferLabels { bucket: bucket.clone(), r#type: kind, status: "success" }).inc();
        #[expect(clippy::cast_precision_loss, reason = "a histogram needs no exact size")]
        let bytes = size as f64;
        self.sizes.get_or_create(&Size { bucket: bucket.clone(), r#type: kind, operation }).observe(bytes);
        self.durations.get_or_create(&Operation { operation, bucket }).observe(begun.elapsed().as_secs_f64());
    }

    fn deleted(&self, transfer: &Transfer) {
        if transfer.bytes.is_some() {
            let labels = Deletion { bucket: self.bucket(&transfer.bucket), status: "success" };
            self.deletes.get_or_create(&labels).inc();
        }
    }

    /// The label of a namespace, or `other` if there are too many.
    fn bucket(&self, name: &str) -> String {
        let mut known = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) || (known.len() < BUCKETS_MAX && known.insert(name.to_owned())) {
            name.to_owned()
        } else {
            "other".to_owned()
        }
    }

    fn text(&self) -> String {
        let sample = (self.sampler)();
        let set = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.gauges.requests, self.active.load(Ordering::Relaxed));
        set(&self.gauges.open, sample.connections_open);
        set(&self.gauges.idle, sample.connections_idle);
        set(&self.gauges.queued, sample.queued_writes);
        self.decisions.set(&sample.checks, sample.audit);
        set(&self.gauges.resident, resident_bytes().unwrap_or(0));
        set(&self.gauges.files, std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count));
        let mut text = String::new();
        // writing to a String does not fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}

pub(crate) const KNOWN_METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"];

fn status(success: bool) -> &'static str {
    if success { "success" } else { "failure" }
}

/// Linux only; None elsewhere.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Gets metrics for Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "operations", security(()),
    responses((status = 200, description = "In the text of OpenMetrics.", content_type = "application/openmetrics-text",
        body = String)),
)]
pub(crate) async fn scrape(State(gateway): State<Gateway>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], gateway.metrics.text()).into_response()
}
