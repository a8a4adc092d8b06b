//! Leases: which process does a job that one replica does at a time. A lease only saves work; statements guarantee that
//! nothing happens twice.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::ports::upkeep::Upkeep;

/// A lease from one process's view. It expires if that process dies.
pub struct Lease {
    upkeep: Arc<dyn Upkeep>,
    name: &'static str,
    holder: String,
    secs: i64,
    fence: Mutex<Option<i64>>,
}

impl Lease {
    /// The lease `name` for `holder`. It expires `secs` seconds after its last renewal.
    pub fn new(upkeep: Arc<dyn Upkeep>, name: &'static str, holder: impl Into<String>, secs: i64) -> Self {
        Self { upkeep, name, holder: holder.into(), secs, fence: Mutex::new(None) }
    }

    /// Takes or renews the lease. False if another process has it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take(&self) -> Result<bool> {
        let fence = self.upkeep.lease(self.name, &self.holder, self.secs).await?;
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = fence;
        Ok(fence.is_some())
    }

    /// Renews the lease during work.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the work took longer than the lease: another process continues from the same rows.
    pub async fn renew(&self) -> Result<()> {
        if self.take().await? { Ok(()) } else { Err(Error::Conflict) }
    }

    /// Releases the lease if this process has it, so that the next one need not wait. Idempotent.
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
