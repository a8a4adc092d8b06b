//! The disk reserve of the local disk: space that content must leave free. A writer reserves its bytes until they are on
//! disk, so that concurrent writers do not count on the same free space. Clouds have no disk reserve.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use zot_domain::Result;
use zot_domain::disk_reserve;

/// The disk counts as full for this time after a refusal, in seconds.
const REMEMBERED_SECS: i64 = 300;

/// Admits writes as long as the disk reserve stays free.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskReserve {
    root: Option<PathBuf>,
    promised: Arc<AtomicU64>,
    refused: Arc<AtomicI64>,
}

/// Bytes that a writer has reserved.
pub(crate) struct Promise {
    bytes: u64,
    promised: Arc<AtomicU64>,
}

impl DiskReserve {
    /// The reserve of the disk with this folder.
    pub(crate) fn of(root: PathBuf) -> Self {
        Self { root: Some(root), ..Self::default() }
    }

    /// Reserves this many bytes until the promise is dropped.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`] if only the disk reserve is left.
    pub(crate) fn take(&self, bytes: u64) -> Result<Promise> {
        let promise = Promise { bytes, promised: Arc::clone(&self.promised) };
        let others = self.promised.fetch_add(bytes, Ordering::Relaxed);
        self.admit(others + bytes)?;
        Ok(promise)
    }

    /// Whether content may be written at all.
    ///
    /// # Errors
    /// As [`DiskReserve::take`].
    pub(crate) fn look(&self) -> Result<()> {
        self.admit(0)
    }

    /// Whether a write was refused recently, or would be now. A refused large body returns the bytes that it had reserved.
    pub(crate) fn is_short(&self) -> bool {
        let since = now() - self.refused.load(Ordering::Relaxed);
        since < REMEMBERED_SECS || self.admit(0).is_err()
    }

    fn admit(&self, wanted: u64) -> Result<()> {
        // the write itself reports a missing folder
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
