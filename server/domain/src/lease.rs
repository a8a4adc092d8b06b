//! Leases: which process does work that one at a time should do. A lease spares work; what must not happen twice is made
//! sure of by statements.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::ports::upkeep::Upkeep;

/// A lease as one process sees it. It ends by itself if that process dies.
pub struct Lease {
    upkeep: Arc<dyn Upkeep>,
    name: &'static str,
    holder: String,
    secs: i64,
    fence: Mutex<Option<i64>>,
}

impl Lease {
    /// The lease `name` for `holder`, which others have to wait for `secs` seconds after it was last renewed.
    pub fn new(upkeep: Arc<dyn Upkeep>, name: &'static str, holder: impl Into<String>, secs: i64) -> Self {
        Self { upkeep, name, holder: holder.into(), secs, fence: Mutex::new(None) }
    }

    /// Takes or renews it; false if another process holds it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take(&self) -> Result<bool> {
        let fence = self.upkeep.lease(self.name, &self.holder, self.secs).await?;
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = fence;
        Ok(fence.is_some())
    }

    /// Renews it in the middle of work.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the work took longer than the lease: another process goes on, from the same rows.
    pub async fn renew(&self) -> Result<()> {
        if self.take().await? { Ok(()) } else { Err(Error::Conflict) }
    }

    /// Gives it back, if this process has it: the next one need not wait. Giving it back twice does no harm.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn release(&self) -> Result<()> {
        let fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner).take();
        match fence {
            Some(fence) => self.upkeep.release(self.name, &self.holder, fence).await,
            None => Ok(()),
        }
    }
}
