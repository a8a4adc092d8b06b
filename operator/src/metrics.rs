//! The operator's metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The reason comes from the closed list of condition reasons, so the number of series is bounded.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RefusalLabels {
    reason: &'static str,
}

pub(crate) struct OperatorMetrics {
    registry: Registry,
    pub(crate) reconciliations: Counter,
    pub(crate) failures: Counter,
    pub(crate) refusals: Family<RefusalLabels, Counter>,
    /// In seconds.
    pub(crate) duration: Histogram,
    pub(crate) leader: Gauge,
}

impl OperatorMetrics {
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
        registry.register("reconciliations", "Reconciliations, successful or not", metrics.reconciliations.clone());
        registry.register(
            "reconcile_failures",
            "Reconciliations that failed and are retried",
            metrics.failures.clone(),
        );
        registry.register(
            "refusals",
            "Reconciliations that ended because the user has to act or to wait",
            metrics.refusals.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "Duration of a reconciliation in seconds",
            metrics.duration.clone(),
        );
        registry.register("leader", "1 if this replica is the leader", metrics.leader.clone());
        Self { registry, ..metrics }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { reason }).inc();
    }

    /// In the text format of `OpenMetrics`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // writing to a string cannot fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}
