//! What differs between a disk and a cloud.

use std::path::PathBuf;

use crate::disk_reserve::DiskReserve;

/// What differs between a disk and a cloud.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// Bytes of each part of a large segment; smaller segments are written in one request.
    pub part: usize,
    /// The files' folder, on a disk: they are read past `object_store`.
    pub root: Option<PathBuf>,
    /// How much may still be written there.
    pub disk_reserve: DiskReserve,
}
