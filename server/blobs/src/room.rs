//! Room on a local disk. The last of it is kept: database and garbage collection write too, and without them nothing
//! would ever be freed. Clouds have room.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use zot_domain::{Error, Result};

/// Bytes kept on a large disk.
const KEPT_MAX: u64 = 64 * 1024 * 1024;
/// On a small one: one part in so many.
const SHARE: u64 = 20;

/// Whether more may be written below that folder.
///
/// # Errors
/// [`Error::Unavailable`] if what is left is kept.
pub(crate) fn admit(root: &Path) -> Result<()> {
    // a folder that is gone is for the write itself to say
    let Ok(disk) = rustix::fs::statvfs(root) else { return Ok(()) };
    let (free, total) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let kept = kept(total);
    if free >= kept {
        return Ok(());
    }
    let text =
        format!("{free} bytes are left on its disk, and {kept} are kept for the database and garbage collection");
    Err(Error::storage(IoError::new(ErrorKind::StorageFull, text)))
}

fn kept(total: u64) -> u64 {
    (total / SHARE).min(KEPT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_not_kept_whole() {
        assert_eq!(kept(100 * 1024 * 1024), 5 * 1024 * 1024);
        assert_eq!(kept(1 << 40), KEPT_MAX);
    }
}
