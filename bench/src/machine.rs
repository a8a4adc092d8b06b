//! The machine that a run was made on.

use std::path::Path;

use serde::Serialize;

/// Facts about the machine for the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Filesystem of the data folder.
    pub filesystem: String,
}

impl Machine {
    /// Reads the facts about this machine, with the data in that folder.
    pub(crate) fn this(folder: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
        let memory = read("/proc/meminfo");
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let memory = memory.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            cpu: cpu.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.unwrap_or_default() / 1024 / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem: filesystem(&read("/proc/self/mounts"), folder),
        }
    }
}

/// Type of the filesystem that holds a folder: that of the longest mount point above it.
fn filesystem(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    above.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n/dev/b /srv/data xfs rw 0 0\n";
        for (folder, kind) in [("/home", "ext4"), ("/srv/other", "tmpfs"), ("/srv/data/x", "xfs"), ("/srv2", "ext4")] {
            assert_eq!(filesystem(mounts, Path::new(folder)), kind, "{folder}");
        }
    }
}
