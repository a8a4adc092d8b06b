//! Metrics of background jobs.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::jobs::JobOutcome;

/// From a query of an empty table to a sweep of a large bucket.
const DURATIONS: [f64; 8] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    job: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Job {
    job: &'static str,
}

pub(super) struct Counters {
    runs: Family<Run, Counter>,
    durations: Family<Job, Histogram>,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self { runs: Family::default(), durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)) }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("background_job_runs", "Runs of background jobs on this replica", self.runs.clone());
        let durations = self.durations.clone();
        registry.register_with_unit("background_job_duration", "Time of a run", Unit::Seconds, durations);
    }

    pub(super) fn count(&self, job: &'static str, outcome: JobOutcome, duration: Duration) {
        self.runs.get_or_create(&Run { job, outcome: outcome.as_str() }).inc();
        self.durations.get_or_create(&Job { job }).observe(duration.as_secs_f64());
    }
}
