//! The port `Inventory`: lists and deletes the files and objects of the backend.

mod disk;

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
        if let Some(root) = &self.tuning.root
            && disk::overwrite(&root.join(path.as_ref()), incarnation.as_bytes()).map_err(Error::storage)?
        {
            return Ok(());
        }
        self.objects.put(&path, incarnation.to_owned().into()).await.map(drop).map_err(Error::storage)
    }

    fn list(&self, shard: Option<u16>) -> StoredStream {
        let shard = shard.map(|shard| format!("{shard:02x}"));
        let store = self.clone();
        let found: BoxStream<'static, Result<Stored>> = match &self.tuning.root {
            Some(root) => disk::files(root.clone(), [self.store_id.clone()].into_iter().chain(shard)),
            None => {
                let prefix: Path = [self.store_id.clone()].into_iter().chain(shard).collect();
                self.objects.list(Some(&prefix)).map_ok(|found| of_cloud(&found)).map_err(Error::storage).boxed()
            }
        };
        Box::pin(found.try_filter_map(move |found| {
            let ours = store.judged(found);
            async move { Ok(ours) }
        }))
    }

    async fn size(&self, key: &SegmentKey) -> Result<Option<u64>> {
        match self.objects.head(&self.path(key)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::storage(error)),
        }
    }

    async fn delete(&self, keys: &[SegmentKey]) -> Result<Vec<SegmentKey>> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut deleted = self.objects.delete_stream(stream::iter(paths).boxed());
        let (mut gone, mut failed) = (Vec::new(), None);
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Ok(path) => gone.extend(key_of(path.as_ref())),
                Err(object_store::Error::NotFound { path, .. }) => gone.extend(key_of(&path)),
                Err(error) => {
                    tracing::warn!(%error, "a segment cannot be deleted");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if gone.is_empty() => Err(Error::storage(error)),
            _ => Ok(gone),
        }
    }

    async fn delete_unfinished(&self, older_than: Duration) -> Result<u64> {
        let Some(root) = self.tuning.root.clone() else { return Ok(0) };
        let root = root.join(&self.store_id);
        let walk = move || disk::delete_unfinished(&root, SystemTime::from(zot_core::ambient::now()) - older_than);
        let walked = tokio::task::spawn_blocking(walk).await;
        walked
            .map_err(|error| Error::Internal(format!("looking for unfinished files: {error}")))?
            .map_err(Error::storage)
    }
}

impl BlobStore {
    /// An entry, with its key if the path is that of a segment. There is none for other files of the store.
    fn judged(&self, found: Stored) -> Option<Stored> {
        let name = found.path.rsplit('/').next().unwrap_or_default();
        if found.path == self.marker_path().as_ref() || is_probe(name) {
            return None;
        }
        let key = name.parse().ok().filter(|key| self.path(key).as_ref() == found.path);
        Some(Stored { key, ..found })
    }
}

fn of_cloud(found: &ObjectMeta) -> Stored {
    Stored {
        path: found.location.to_string(),
        key: None,
        size: found.size,
        modified: found.last_modified.timestamp_micros(),
    }
}

/// The key at the end of a path.
fn key_of(path: &str) -> Option<SegmentKey> {
    path.rsplit('/').next()?.parse().ok()
}
