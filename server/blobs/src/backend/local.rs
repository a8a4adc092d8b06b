//! A local directory.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::{MIB, OpenError};
use crate::disk_reserve::DiskReserve;
use crate::tuning::Tuning;

pub(super) fn open(root: &Path) -> Result<(Arc<dyn ObjectStore>, Tuning), OpenError> {
    let directory = |source| OpenError::Directory { path: root.to_owned(), source };
    std::fs::create_dir_all(root).map_err(directory)?;
    let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(true);
    Ok((
        Arc::new(store),
        Tuning { part: MIB, root: Some(root.to_owned()), disk_reserve: DiskReserve::of(root.to_owned()) },
    ))
}
