//! The disk reserve: deleting and garbage collection write too, so the last bytes of a disk are kept for them. A full
//! disk could not be emptied.

use std::io::{Error as IoError, ErrorKind};

use crate::error::{Error, Result};

/// The largest reserve, in bytes.
const KEPT_MAX: u64 = 64 * 1024 * 1024;
/// The reserve of a small disk is this fraction of it.
const SHARE: u64 = 20;
/// The smallest reserve, in bytes: SQLite's log needs this much. At most a quarter of the disk.
const KEPT_MIN: u64 = 16 * 1024 * 1024;

/// How much of the reserve a write may use: each variant more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Content,
    /// Adds rows, for received content or new things.
    Grows,
    /// Adds rows, but may free bytes: a delete that adds a marker, for example.
    MayGrow,
    /// Frees bytes.
    Frees,
}

/// Checks whether a disk with `free` of `total` bytes allows this write.
///
/// # Errors
/// An error of the kind [`ErrorKind::StorageFull`] if the rest is kept.
pub fn admit(free: u64, total: u64, demand: Demand) -> std::result::Result<(), IoError> {
    let kept = (total / SHARE).clamp(KEPT_MIN.min(total / 4), KEPT_MAX);
    let floor = match demand {
        Demand::Content => kept,
        Demand::Grows => kept / 4 * 3,
        Demand::MayGrow => kept / 2,
        Demand::Frees => 0,
    };
    if free >= floor {
        return Ok(());
    }
    let text = format!("{free} bytes are left on the disk, and {kept} are kept for deleting and garbage collection");
    Err(IoError::new(ErrorKind::StorageFull, text))
}

/// The same for content in the blob storage.
///
/// # Errors
/// [`Error::Unavailable`].
pub fn admit_content(free: u64, total: u64) -> Result<()> {
    admit(free, total, Demand::Content).map_err(Error::storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frees_bytes_comes_last() {
        const MIB: u64 = 1024 * 1024;
        let may = |free, demand| admit(free * MIB, 1024 * 1024 * MIB, demand).is_ok();
        assert!(may(64, Demand::Content) && !may(63, Demand::Content));
        assert!(may(48, Demand::Grows) && !may(47, Demand::Grows));
        assert!(may(32, Demand::MayGrow) && !may(31, Demand::MayGrow));
        assert!(may(0, Demand::Frees));
        let kept = |total| (0..100).find(|free| admit(free * MIB, total * MIB, Demand::Content).is_ok());
        assert_eq!([40, 200, 400, 4000].map(kept), [10, 16, 20, 64].map(Some), "a small disk is not kept whole");
    }
}
