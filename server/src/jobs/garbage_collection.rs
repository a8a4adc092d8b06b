//! Collects garbage, on one replica at a time.

use std::sync::Arc;
use std::time::Duration;

use zot_domain::gc::{Collector, Report};
use zot_domain::lease::Lease;
use zot_domain::ports::inventory::SHARDS;
use zot_gateway::metrics::Metrics;

use super::job::{Failure, Job, Progress};

/// A new replica waits this long before it collects, unless the interval is shorter.
const FIRST_RUN: Duration = Duration::from_mins(1);
/// The sweep covers the whole storage in this time.
const SWEEP_ROUND: Duration = Duration::from_hours(24);

pub(super) struct GarbageCollection {
    collector: Collector,
    lease: Lease,
    interval: Duration,
    metrics: Arc<Metrics>,
}

impl GarbageCollection {
    pub(super) fn new(collector: Collector, holder: &str, interval: Duration, metrics: Arc<Metrics>) -> Self {
        let lease = collector.lease(holder);
        let collector = collector.gentle(Arc::new(|span| Box::pin(tokio::time::sleep(span))));
        Self { collector, lease, interval, metrics }
    }
}

impl Job for GarbageCollection {
    const NAME: &'static str = "garbage_collection";

    fn interval(&self) -> Duration {
        self.interval
    }

    fn delay(&self) -> Duration {
        self.interval.min(FIRST_RUN)
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        match self.collector.run(&self.lease, shards_each(self.interval)).await {
            Ok(Some(report)) => {
                log(&report);
                self.metrics.collected(Ok(&report));
                Ok(Progress::Done)
            }
            Ok(None) => Ok(Progress::Standby),
            Err(error) => {
                self.metrics.collected(Err(()));
                Err(error.into())
            }
        }
    }
}

fn shards_each(interval: Duration) -> u16 {
    let round = SWEEP_ROUND.as_millis().div_ceil(interval.as_millis().max(1)).max(1);
    u16::try_from(u128::from(SHARDS).div_ceil(round)).unwrap_or(SHARDS)
}

fn log(report: &Report) {
    for candidate in &report.conflicts {
        tracing::warn!(?candidate, "GC candidate was referenced concurrently; skipped");
    }
    if !report.stuck.is_empty() {
        tracing::warn!(
            segments = report.stuck.len(),
            "the storage did not delete segments; they are tried again later"
        );
    }
    if let Some(why) = &report.withheld {
        tracing::warn!("garbage collection deleted no bytes: {why}");
    }
    tracing::info!(
        uploads = report.uploads,
        memberships = report.memberships,
        blobs = report.blobs,
        segments = report.segments,
        freed_bytes = report.freed_bytes,
        orphans = report.orphans,
        "garbage collection"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_once_around() {
        for (interval, shards) in [(1, 1), (60, 1), (3600, 11), (24 * 3600, 256), (7 * 24 * 3600, 256)] {
            assert_eq!(shards_each(Duration::from_secs(interval)), shards, "{interval}");
        }
    }
}
