//! What is measured of the operator.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Why a reconciliation was refused: a reason of the closed list, never text.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Refused {
    reason: &'static str,
}

/// The operator's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    /// Reconciliations that ended, well or not.
    pub(crate) reconciliations: Counter,
    /// Those that failed, and are tried again.
    pub(crate) failures: Counter,
    /// Resources of which nothing could be made.
    pub(crate) refusals: Family<Refused, Counter>,
    /// Seconds that a reconciliation took.
    pub(crate) duration: Histogram,
    /// 1 while this replica holds the lease.
    pub(crate) leader: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("zot_operator");
        let metrics = Self {
            reconciliations: Counter::default(),
            failures: Counter::default(),
            refusals: Family::default(),
            duration: Histogram::new(exponential_buckets(0.01, 2.0, 12)),
            leader: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("reconciliations", "Reconciliations that ended", metrics.reconciliations.clone());
        registry.register("reconcile_failures", "Reconciliations that failed", metrics.failures.clone());
        registry.register("refusals", "Resources of which nothing could be made", metrics.refusals.clone());
        registry.register("reconcile_duration_seconds", "Length of a reconciliation", metrics.duration.clone());
        registry.register("leader", "1 while this replica holds the lease", metrics.leader.clone());
        Self { registry, ..metrics }
    }

    /// A resource was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    /// In the format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // writing to a string does not fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}
