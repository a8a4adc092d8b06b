//! The disk reserve of the local disk: space that content must leave free. Bytes that are being written are promised
//! until they are there, so that concurrent writers do not count on the same free space. Clouds have no reserve.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use zot_domain::Result;
use zot_domain::disk_reserve;

/// How long after a refusal the disk counts as short, in seconds.
const REMEMBERED_SECS: i64 = 300;

/// Admits writes as long as the disk reserve stays free.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskReserve {
    root: Option<PathBuf>,
    promised: Arc<AtomicU64>,
    refused: Arc<AtomicI64>,
}

/// Bytes that somebody is writing.
pub(crate) struct Promise {
    bytes: u64,
    promised: Arc<AtomicU64>,
}

impl DiskReserve {
    /// Of the disk that has this folder.
    pub(crate) fn of(root: PathBuf) -> Self {
        Self { root: Some(root), ..Self::default() }
    }

    /// Takes so many bytes of it, until the promise is dropped.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`] if what is left is kept.
    pub(crate) fn take(&self, bytes: u64) -> Result<Promise> {
        let promise = Promise { bytes, promised: Arc::clone(&self.promised) };
        let others = self.promised.fetch_add(bytes, Ordering::Relaxed);
        self.admit(others + bytes)?;
        Ok(promise)
    }

    /// Whether there is any.
    ///
    /// # Errors
    /// As [`DiskReserve::take`].
    pub(crate) fn look(&self) -> Result<()> {
        self.admit(0)
    }

    /// Whether something was refused a moment ago, or would be now: a large body gives back what it did not get to use.
    pub(crate) fn is_short(&self) -> bool {
        let since = now() - self.refused.load(Ordering::Relaxed);
        since < REMEMBERED_SECS || self.admit(0).is_err()
    }

    fn admit(&self, wanted: u64) -> Result<()> {
        // a folder that is gone is for the write itself to say
        let Some(disk) = self.root.as_ref().and_then(|root| rustix::fs::statvfs(root).ok()) else { return Ok(()) };
        let (free, total) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
        let admitted = disk_reserve::admit_content(free.saturating_sub(wanted), total);
        if admitted.is_err() {
            self.refused.store(now(), Ordering::Relaxed);
        }
        admitted
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    zot_core::ambient::now().as_second()
}
