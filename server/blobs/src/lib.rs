//! Blob storage: the ports `Blobs` and `Inventory` over `object_store`, one behaviour for local disk, S3, GCS and Azure Blob.
//!
//! A segment is written once, under `<store id>/<two hex digits>/<key>`; it is durable when the write returns: local
//! files and their directories are fsynced, and clouds guarantee it. The metadata store, not this crate, knows which digest
//! has which keys, and what refers to them.

mod backend;
mod disk_reserve;
mod hashing;
mod inventory;
mod preflight;
mod read;
mod tuning;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use zot_core::hash::Hasher;
use zot_domain::ports::blobs::{BlobReads, BlobWrites, ByteStream, Piece, SegmentKey, Written};
use zot_domain::ports::inventory::Inventory as _;
use zot_domain::{Error, Result};

use tuning::Tuning;

pub use backend::{Azure, Backend, Gcs, OpenError, S3};
pub use preflight::{Preflight, PreflightError, Step};

/// One store's blobs in one backend.
#[derive(Clone)]
pub struct BlobStore {
    objects: Arc<dyn ObjectStore>,
    /// The backend of `objects`, for messages.
    backend: Arc<Backend>,
    store_id: String,
    tuning: Tuning,
}

impl BlobStore {
    /// Opens a backend for the store of that id.
    ///
    /// # Errors
    /// [`OpenError`] with the remedy.
    pub fn open(backend: &Backend, store_id: &str) -> Result<Self, OpenError> {
        let (objects, tuning) = backend.open()?;
        Ok(Self { objects, backend: Arc::new(backend.clone()), store_id: store_id.to_owned(), tuning })
    }

    fn path(&self, key: &SegmentKey) -> Path {
        Path::from_iter([self.store_id.as_str(), &key.shard(), &key.to_string()])
    }

    fn marker_path(&self) -> Path {
        Path::from_iter([self.store_id.as_str(), "marker"])
    }

    /// Writes the store's marker if there is none yet, and returns the incarnation in it. The marker names the incarnation of
    /// the database that these blobs belong to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the backend cannot be written to or read from.
    pub async fn ensure_marker(&self, incarnation: &str) -> Result<String> {
        // an existing marker is not written: the disk may be full, and without the right to list, S3 hides that it is absent
        if let Ok(Some(known)) = self.marker().await {
            return Ok(known);
        }
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.objects.put_opts(&self.marker_path(), incarnation.to_owned().into(), create).await;
        match put {
            Ok(_) => return Ok(incarnation.to_owned()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(Error::storage(error)),
        }
        Ok(self.marker().await?.unwrap_or_default())
    }
}

#[async_trait]
impl BlobWrites for BlobStore {
    fn admit(&self) -> Result<()> {
        self.tuning.disk_reserve.look()
    }

    fn is_short(&self) -> bool {
        self.tuning.disk_reserve.is_short()
    }

    async fn write(&self, head: Bytes, body: ByteStream, hasher: Hasher) -> Result<Written> {
        let key = SegmentKey::new();
        write::segment(&*self.objects, &self.path(&key), &self.tuning, head, body, hasher).await.map(|done| Written {
            key,
            size: done.size,
            hasher: done.hasher,
            broken: done.broken,
        })
    }

    async fn discard(&self, key: &SegmentKey) {
        if let Err(error) = self.objects.delete(&self.path(key)).await {
            tracing::debug!(%key, %error, "an unneeded segment is left to the sweep");
        }
    }

    async fn probe(&self) -> Result<()> {
        self.objects.head(&self.marker_path()).await.map(drop).map_err(Error::storage)
    }
}

impl BlobReads for BlobStore {
    fn read(&self, pieces: Vec<Piece>) -> ByteStream {
        let pieces = pieces.into_iter().map(|piece| (self.path(&piece.key), piece.range)).collect();
        match &self.tuning.root {
            Some(root) => read::files::pieces(root, pieces),
            None => read::pieces(Arc::clone(&self.objects), pieces),
        }
    }
}
