//! The time of the last check for changes in the database. A request that needs a check within the last second makes one.
//! Other requests wait for its result, even if the database does not answer.

use std::sync::Mutex as Sync;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;
use zot_domain::{Error, Result};

/// Revocations on another replica take effect here within this time (rule 5 of docs/STORE.md). After a failure, the next
/// check waits for this time, or for the duration of the failed check if that is less: a quick failure is cheap to repeat.
const FRESH: Duration = Duration::from_secs(1);
/// Longest wait of a request, whoever makes the check. A stalled database never reports an error.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest check in the background, which may have to read everything.
const RENEW_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Freshness {
    state: Sync<State>,
    running: Mutex<()>,
    wait_max: Duration,
    renew_max: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { state: Sync::default(), running: Mutex::default(), wait_max: WAIT_MAX, renew_max: RENEW_MAX }
    }
}

#[derive(Clone, Copy, Default)]
struct State {
    /// When the last successful check began.
    seen: Option<Instant>,
    /// When the last failed check ended, and the pause until the next one.
    failed: Option<(Instant, Duration)>,
}

impl Freshness {
    pub(crate) async fn renew(&self, check: impl Future<Output = Result<()>>) -> Result<()> {
        let renewed = timeout(self.renew_max, async {
            let _guard = self.running.lock().await;
            self.run(check).await
        });
        renewed.await.unwrap_or_else(|_| Err(stalled()))
    }

    /// Checks if the last check is too old.
    pub(crate) async fn ensure(&self, check: impl Future<Output = Result<()>>) -> Result<()> {
        let begun = Instant::now();
        if let Some(known) = self.known(begun) {
            return known;
        }
        let waited = timeout(self.wait_max, async {
            let _guard = self.running.lock().await;
            match self.known(begun) {
                Some(known) => known,
                None => self.run(check).await,
            }
        });
        waited.await.unwrap_or_else(|_| {
            self.record_failure(begun);
            Err(stalled())
        })
    }

    async fn run(&self, check: impl Future<Output = Result<()>>) -> Result<()> {
        let begun = Instant::now();
        match check.await {
            Ok(()) => {
                *self.state() = State { seen: Some(begun), failed: None };
                Ok(())
            }
            Err(error) => {
                self.record_failure(begun);
                Err(error)
            }
        }
    }

    fn record_failure(&self, begun: Instant) {
        self.state().failed = Some((Instant::now(), begun.elapsed().min(FRESH)));
    }

    /// The result for a request of that time, if a recent or later check has one.
    fn known(&self, asked: Instant) -> Option<Result<()>> {
        let State { seen, failed } = *self.state();
        if seen.is_some_and(|at| at >= asked || at.elapsed() < FRESH) {
            return Some(Ok(()));
        }
        failed.filter(|(at, pause)| *at > asked || at.elapsed() < *pause).map(|_| Err(stalled()))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stalled() -> Error {
    Error::database(std::io::Error::other("the check for changes on other replicas takes too long"))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);

    fn hasty() -> Arc<Freshness> {
        Arc::new(Freshness { wait_max: SHORT, renew_max: 2 * SHORT, ..Freshness::default() })
    }

    #[tokio::test]
    async fn a_look_that_fails_fails_for_all_who_wait_for_it() {
        let (freshness, looks) = (Arc::new(Freshness::default()), Arc::new(AtomicUsize::new(0)));
        let look = |looks: Arc<AtomicUsize>| async move {
            looks.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(2 * SHORT).await;
            Err(stalled())
        };
        let mut asking = JoinSet::new();
        for _ in 0..50 {
            let (freshness, look) = (Arc::clone(&freshness), look(Arc::clone(&looks)));
            asking.spawn(async move { freshness.ensure(look).await });
        }
        for answer in asking.join_all().await {
            assert!(matches!(answer, Err(Error::Unavailable { component: "metadata_store", .. })));
        }
        assert!(freshness.ensure(look(Arc::clone(&looks))).await.is_err());
        assert_eq!(looks.load(Ordering::Relaxed), 1, "it is remembered for a moment");
        tokio::time::sleep(FRESH).await;
        freshness.ensure(async { Ok(()) }).await.unwrap();
        freshness.ensure(pending()).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let freshness = hasty();
        let stuck = Arc::clone(&freshness);
        let stuck = tokio::spawn(async move { stuck.renew(pending()).await });
        let mut asking = JoinSet::new();
        for _ in 0..50 {
            let freshness = Arc::clone(&freshness);
            asking.spawn(async move { freshness.ensure(pending()).await });
        }
        assert!(asking.join_all().await.iter().all(Result::is_err));
        assert!(stuck.await.unwrap().is_err(), "not even the background");
    }

    #[tokio::test]
    async fn what_fails_at_once_is_tried_again_at_once() {
        let freshness = Freshness::default();
        assert!(freshness.ensure(async { Err(stalled()) }).await.is_err());
        tokio::time::sleep(SHORT).await;
        freshness.ensure(async { Ok(()) }).await.unwrap();
    }
}
