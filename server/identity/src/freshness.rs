//! How long ago it was seen that nothing changed. Whoever needs to know it of the last second looks, and others wait for what
//! that look comes to, be it that the database does not answer.

use std::sync::Mutex as Sync;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;
use zot_domain::{Error, Result};

/// What was revoked through another replica is not taken any more after this time (rule 5 of docs/STORE.md). What failed
/// is not tried again for as long, or as long as it took if that is less: what fails at once costs nothing to try.
const FRESH: Duration = Duration::from_secs(1);
/// A request that has to know waits no longer, whoever looks: a database that is stalled, and not away, never says so.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A look of the background may take longer, as reading everything may; and not for ever.
const RENEW_MAX: Duration = Duration::from_secs(30);

/// When was looked last.
pub(crate) struct Freshness {
    state: Sync<State>,
    looking: Mutex<()>,
    wait_max: Duration,
    renew_max: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { state: Sync::default(), looking: Mutex::default(), wait_max: WAIT_MAX, renew_max: RENEW_MAX }
    }
}

#[derive(Clone, Copy, Default)]
struct State {
    /// When the last look that succeeded began.
    seen: Option<Instant>,
    /// When the last look that failed ended, and how long it is not tried again.
    failed: Option<(Instant, Duration)>,
}

impl Freshness {
    /// Looks now.
    pub(crate) async fn renew(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        let renewed = timeout(self.renew_max, async {
            let _looking = self.looking.lock().await;
            self.look(look).await
        });
        renewed.await.unwrap_or_else(|_| Err(stalled()))
    }

    /// Looks if the last time is too long ago.
    pub(crate) async fn ensure(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        let begun = Instant::now();
        if let Some(known) = self.known(begun) {
            return known;
        }
        let waited = timeout(self.wait_max, async {
            let _looking = self.looking.lock().await;
            match self.known(begun) {
                Some(known) => known,
                None => self.look(look).await,
            }
        });
        waited.await.unwrap_or_else(|_| {
            self.note_failure(begun);
            Err(stalled())
        })
    }

    async fn look(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        let begun = Instant::now();
        match look.await {
            Ok(()) => {
                *self.state() = State { seen: Some(begun), failed: None };
                Ok(())
            }
            Err(error) => {
                self.note_failure(begun);
                Err(error)
            }
        }
    }

    fn note_failure(&self, begun: Instant) {
        self.state().failed = Some((Instant::now(), begun.elapsed().min(FRESH)));
    }

    /// What somebody who asked at that time need not look for: it was seen since or a moment ago, or has failed since or just
    /// before.
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
    Error::database(std::io::Error::other("what changed elsewhere cannot be seen in time"))
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
