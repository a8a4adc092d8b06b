//! The port `Inventory`: what lies in the backend, and deleting it.

use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::inventory::{Inventory, Stored, StoredStream};
use zot_domain::{Error, Result};

use crate::BlobStore;
use crate::preflight::is_probe;

#[async_trait]
impl Inventory for BlobStore {
    async fn marker(&self) -> Result<Option<String>> {
        let found = match self.objects.get(&self.marker_path()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::storage(error)),
        };
        let bytes = found.bytes().await.map_err(Error::storage)?;
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    async fn set_marker(&self, incarnation: &str) -> Result<()> {
        let path = self.marker_path();
        self.objects.put(&path, incarnation.to_owned().into()).await.map(drop).map_err(Error::storage)
    }

    fn list(&self, shard: Option<u16>) -> StoredStream {
        let prefix = match shard {
            Some(shard) => Path::from_iter([self.store_id.as_str(), &format!("{shard:02x}")]),
            None => Path::from(self.store_id.as_str()),
        };
        let store = self.clone();
        let listed: BoxStream<'static, _> = self.objects.list(Some(&prefix));
        let listed = listed.map_err(Error::storage).try_filter_map(move |found| {
            let own = found.location == store.marker_path() || is_probe(&found.location);
            let stored = (!own).then(|| store.stored(&found));
            async move { Ok(stored) }
        });
        Box::pin(listed)
    }

    async fn size(&self, key: &SegmentKey) -> Result<Option<u64>> {
        match self.objects.head(&self.path(key)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::storage(error)),
        }
    }

    async fn delete(&self, keys: &[SegmentKey]) -> Result<()> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut deleted = self.objects.delete_stream(stream::iter(paths).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::storage(error)),
            }
        }
        Ok(())
    }

    async fn delete_unfinished(&self, older_than: Duration) -> Result<u64> {
        let Some(root) = self.tuning.root.clone() else { return Ok(0) };
        let root = root.join(&self.store_id);
        let walk = move || delete_unfinished(&root, SystemTime::now() - older_than);
        let walked = tokio::task::spawn_blocking(walk).await;
        walked
            .map_err(|error| Error::Internal(format!("looking for unfinished files: {error}")))?
            .map_err(Error::storage)
    }
}

impl BlobStore {
    /// What is not at the path that its key would have is not ours.
    fn stored(&self, found: &ObjectMeta) -> Stored {
        let key = found.location.filename().and_then(|name| name.parse().ok());
        Stored {
            path: found.location.to_string(),
            key: key.filter(|key| self.path(key) == found.location),
            size: found.size,
            modified: found.last_modified.timestamp_micros(),
        }
    }
}

/// Files as `object_store` names them while they are written: `<key>#<number>`. It hides them in its lists.
fn delete_unfinished(root: &FilePath, before: SystemTime) -> std::io::Result<u64> {
    let mut freed = 0;
    for file in files_below(root)? {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let unfinished = name.split_once('#').is_some_and(|(key, number)| {
            key.parse::<SegmentKey>().is_ok() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !unfinished {
            continue;
        }
        // a writer may finish or remove it under our eyes
        let Ok(about) = file.metadata() else { continue };
        if about.modified()? < before && std::fs::remove_file(&file).is_ok() {
            freed += about.len();
        }
    }
    Ok(freed)
}

/// Files two levels down: shard and key.
fn files_below(root: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for shard in entries(root)? {
        if shard.is_dir() {
            files.extend(entries(&shard)?);
        }
    }
    Ok(files)
}

fn entries(directory: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
