//! Metrics of garbage collection.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use zot_domain::gc::Report;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Removed {
    kind: &'static str,
}

#[derive(Default)]
pub(super) struct Counters {
    runs: Family<Run, Counter>,
    removed: Family<Removed, Counter>,
    freed: Counter,
    conflicts: Counter,
    last: Gauge,
}

impl Counters {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("gc_runs", "Runs of garbage collection on this replica", self.runs.clone());
        registry.register("gc_removed", "What garbage collection removed", self.removed.clone());
        registry.register_with_unit("gc_freed", "Bytes deleted from blob storage", Unit::Bytes, self.freed.clone());
        registry.register(
            "gc_conflicts",
            "GC candidates that were referenced concurrently and skipped: nothing is lost, but report it",
            self.conflicts.clone(),
        );
        registry.register_with_unit(
            "gc_last_success_timestamp",
            "When garbage collection last completed on this replica",
            Unit::Seconds,
            self.last.clone(),
        );
    }

    pub(super) fn count(&self, outcome: Result<&Report, ()>) {
        let status = match outcome {
            Ok(report) if report.withheld.is_some() => "withheld",
            Ok(_) => "success",
            Err(()) => "failure",
        };
        self.runs.get_or_create(&Run { status }).inc();
        let Ok(report) = outcome else { return };
        for (kind, count) in [
            ("upload", report.uploads),
            ("membership", report.memberships),
            ("blob", report.blobs),
            ("segment", report.segments),
            ("orphan", report.orphans),
        ] {
            self.removed.get_or_create(&Removed { kind }).inc_by(count);
        }
        self.freed.inc_by(report.freed_bytes);
        self.conflicts.inc_by(report.conflicts.len() as u64);
        let now = zot_core::ambient::now().as_second();
        self.last.set(now);
    }
}
