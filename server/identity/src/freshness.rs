//! How long ago it was seen that nothing changed. Whoever needs to know it of the last second looks, and others wait.

use std::sync::Mutex as Sync;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use zot_domain::Result;

/// What was revoked through another replica is not taken any more after this time (rule 5 of docs/STORE.md).
const FRESH: Duration = Duration::from_secs(1);

/// When was looked last.
#[derive(Default)]
pub(crate) struct Freshness {
    /// When the last look that succeeded began.
    seen: Sync<Option<Instant>>,
    looking: Mutex<()>,
}

impl Freshness {
    /// Looks now.
    pub(crate) async fn renew(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        let _looking = self.looking.lock().await;
        self.look(look).await
    }

    /// Looks if the last time is too long ago.
    pub(crate) async fn ensure(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let _looking = self.looking.lock().await;
        if self.is_fresh() {
            return Ok(());
        }
        self.look(look).await
    }

    async fn look(&self, look: impl Future<Output = Result<()>>) -> Result<()> {
        let begun = Instant::now();
        look.await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < FRESH)
    }
}
