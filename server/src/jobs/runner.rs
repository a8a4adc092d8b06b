//! Runs jobs: at their intervals, again after failures and panics, and until the server stops.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zot_gateway::{Gateway, JobOutcome};

use super::job::{Failure, Job, Progress};

/// The pause after a panic.
const PANIC_PAUSE: Duration = Duration::from_mins(1);
/// When the server stops, a run gets this long to end. Then it is dropped, which is no worse than a crash.
const GRACE: Duration = Duration::from_secs(5);

/// Runs each job in its own task.
pub(crate) struct Runner {
    gateway: Gateway,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Runner {
    /// The gateway counts the runs and shows the last ones.
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self { gateway, stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    pub(crate) fn start(&mut self, job: impl Job) {
        let supervised = Supervised { job, gateway: self.gateway.clone(), failures: 0, logged: None };
        self.tasks.spawn(supervised.run(self.stop.subscribe()));
    }

    /// Ends all jobs between two runs and releases their leases.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a background job panicked while it stopped");
            }
        }
    }
}

struct Supervised<J> {
    job: J,
    gateway: Gateway,
    failures: u32,
    /// The last logged cause of a failure, until the job succeeds again.
    logged: Option<String>,
}

impl<J: Job> Supervised<J> {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut pause = self.job.delay();
        // a dropped sender means stop, too
        while timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
            let begun = Instant::now();
            let mut overdue = stop.clone();
            let run = tokio::select! {
                run = AssertUnwindSafe(self.job.run()).catch_unwind() => run,
                () = async { drop(overdue.wait_for(|stop| *stop).await); sleep(GRACE).await } => break,
            };
            pause = match run {
                Ok(Ok(Progress::Idle)) => self.job.interval(),
                Ok(Ok(progress)) => self.progressed(progress, begun.elapsed()),
                Ok(Err(failure)) => self.failed(&failure, begun.elapsed()),
                Err(_) => self.panicked(begun.elapsed()),
            };
        }
        self.job.finish().await;
        self.release_lease().await;
    }

    fn progressed(&mut self, progress: Progress, duration: Duration) -> Duration {
        if self.failures > 0 {
            tracing::info!(job = J::NAME, "a background job works again");
        }
        (self.failures, self.logged) = (0, None);
        let outcome = if progress == Progress::Standby { JobOutcome::Standby } else { JobOutcome::Success };
        self.gateway.job_ran(J::NAME, outcome, duration, None);
        if progress == Progress::More { Duration::ZERO } else { self.job.interval() }
    }

    fn failed(&mut self, failure: &Failure, duration: Duration) -> Duration {
        // once, not with each attempt while the database is unavailable
        if self.logged.as_ref() != Some(&failure.cause) {
            tracing::warn!(job = J::NAME, error = failure.cause, "a background job failed and will be tried again");
            self.logged = Some(failure.cause.clone());
        }
        self.failures += 1;
        self.gateway.job_ran(J::NAME, JobOutcome::Failure, duration, Some(&failure.shown));
        let interval = self.job.interval();
        interval.saturating_mul(2_u32.saturating_pow(self.failures)).min(J::LONGEST_PAUSE.max(interval))
    }

    fn panicked(&mut self, duration: Duration) -> Duration {
        tracing::error!(job = J::NAME, "a background job panicked and will be tried again");
        self.failures += 1;
        self.gateway.job_ran(J::NAME, JobOutcome::Panic, duration, Some("the job panicked; see the log"));
        PANIC_PAUSE
    }

    /// So that another replica need not wait until the lease expires.
    async fn release_lease(self) {
        let Some(lease) = self.job.lease() else { return };
        if !matches!(timeout(GRACE, lease.release()).await, Ok(Ok(()))) {
            tracing::warn!(job = J::NAME, "a lease was not released; other replicas wait until it expires");
        }
    }
}

#[cfg(test)]
mod tests;
