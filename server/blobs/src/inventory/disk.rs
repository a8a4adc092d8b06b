//! The files of a disk, even if they have names that are not UTF-8, or are links or folders. `object_store` fails on those,
//! but the sweep and `fsck` must not.

use std::fs::Metadata;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::inventory::Stored;
use zot_domain::{Error, Result};

/// Most files in the queue.
const WAITING: usize = 1024;

/// All files below a folder of `root`, without their keys. Links are not followed.
pub(super) fn files(root: PathBuf, folder: impl Iterator<Item = String>) -> BoxStream<'static, Result<Stored>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let folder = folder.fold(root.clone(), |path, part| path.join(part));
    tokio::task::spawn_blocking(move || {
        if let Err(error) = walk(&root, folder, &sender) {
            // the receiver is gone, so nobody needs the error
            let _ = sender.blocking_send(Err(Error::storage(error)));
        }
    });
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|file| (file, receiver))).boxed()
}

fn walk(root: &Path, folder: PathBuf, sender: &mpsc::Sender<Result<Stored>>) -> std::io::Result<()> {
    let first = folder.clone();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let found = match entries(&folder) {
            Ok(found) => found,
            // the store's own folder must be readable, but not foreign folders in it
            Err(error) if folder != first => {
                tracing::warn!(folder = %folder.display(), %error, "a folder among the blobs cannot be read");
                continue;
            }
            Err(error) => return Err(error),
        };
        for path in found {
            // it may disappear meanwhile
            let Ok(about) = path.symlink_metadata() else { continue };
            if about.is_dir() {
                folders.push(path);
            } else if !is_unfinished(&path) && sender.blocking_send(Ok(stored(root, &path, &about))).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn stored(root: &Path, path: &Path, about: &Metadata) -> Stored {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let since = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Stored {
        path: relative.to_string_lossy().into_owned(),
        key: None,
        size: about.len(),
        modified: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
    }
}

/// Deletes unfinished files of `object_store`, named `<key>#<number>`, whose last write is before that time. Returns their
/// bytes.
pub(super) fn delete_unfinished(root: &Path, before: SystemTime) -> std::io::Result<u64> {
    let mut freed = 0;
    for shard in entries(root)?.into_iter().filter(|shard| shard.is_dir() && !shard.is_symlink()) {
        for file in entries(&shard).unwrap_or_default().into_iter().filter(|file| is_unfinished(file)) {
            // a writer may finish or delete it meanwhile
            let Ok(about) = file.symlink_metadata() else { continue };
            if about.modified()? < before && std::fs::remove_file(&file).is_ok() {
                freed += about.len();
            }
        }
    }
    Ok(freed)
}

/// Overwrites a file with as many bytes as it has, so that this needs no free space. Returns false if the length differs.
/// The bytes fit into a sector, which a disk writes whole or not at all.
pub(super) fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    let about = path.symlink_metadata();
    if !about.is_ok_and(|about| about.is_file() && about.len() == bytes.len() as u64) {
        return Ok(false);
    }
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(true)
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once('#').is_some_and(|(key, number)| {
        key.parse::<SegmentKey>().is_ok() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
