//! Parameters that differ between a disk and a cloud.

use std::path::PathBuf;

use crate::disk_reserve::DiskReserve;

#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// Bytes of each part of a large segment; smaller segments are written in one request.
    pub part: usize,
    /// The files' folder on a disk. Reads of files bypass `object_store`.
    pub root: Option<PathBuf>,
    pub disk_reserve: DiskReserve,
}
