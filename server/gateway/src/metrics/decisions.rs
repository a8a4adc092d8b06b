//! Metrics of policy decisions and of the audit trail's queue. They are counted where they happen.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use zot_domain::decision_log::Checks;
use zot_domain::decision_log::Figures;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    resource: &'static str,
    action: &'static str,
    result: &'static str,
}

#[derive(Default)]
pub(super) struct Counters {
    checks: Family<Check, Counter>,
    recorded: Counter,
    dropped: Counter,
    queue: Gauge,
}

impl Counters {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("rbac_authorization_checks", "Policy decisions", self.checks.clone());
        registry.register(
            "audit_recorded",
            "Reads, denials and refused credentials written to the audit trail",
            self.recorded.clone(),
        );
        registry.register(
            "audit_dropped",
            "Reads, denials and refused credentials missing in the audit trail, because the queue was full",
            self.dropped.clone(),
        );
        registry.register("audit_queue_length", "Records that wait for the database", self.queue.clone());
    }

    /// Copies the counts.
    pub(super) fn set(&self, checks: &[Checks], audit: Figures) {
        let take = |counter: &Counter, count| counter.inner().store(count, Ordering::Relaxed);
        for &Checks { resource, action, allowed, count } in checks {
            let labels = Check { resource, action, result: if allowed { "allowed" } else { "denied" } };
            take(&self.checks.get_or_create(&labels), count);
        }
        take(&self.recorded, audit.recorded);
        take(&self.dropped, audit.dropped);
        self.queue.set(i64::try_from(audit.queued).unwrap_or(i64::MAX));
    }
}
