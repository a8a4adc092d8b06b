//! A fresh place for blobs for each test, and what tests write and read there.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::TempDir;
use zot_blobs::{Azure, Backend, BlobStore, Gcs, S3};
use zot_core::digest::Algorithm;
use zot_core::hash::Hasher;
use zot_core::range::ByteRange;
use zot_domain::ports::blobs::{BlobReads as _, BlobWrites as _, ByteStream, Piece, SegmentKey, Written};
use zot_domain::ports::inventory::{Inventory as _, Stored};
use zot_domain::{Error, Result};
use zot_tests::azure::Container;
use zot_tests::{gcs as google, s3 as amazon};

type Opener = Box<dyn Fn(Option<&str>) -> Backend + Send + Sync>;

/// An empty place that several stores can be opened on.
pub(crate) struct Place {
    /// Opens the place, or a folder in it.
    backend: Opener,
    /// The folder, on a disk.
    pub(crate) directory: Option<TempDir>,
}

pub(crate) async fn disk() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let backend =
        move |folder: Option<&str>| Backend::Local(folder.map_or_else(|| root.clone(), |name| root.join(name)));
    std::future::ready(Place { backend: Box::new(backend), directory: Some(directory) }).await
}

pub(crate) async fn s3() -> Place {
    let bucket = amazon::Bucket::create().await;
    let backend = move |folder: Option<&str>| {
        Backend::S3(S3 {
            bucket: bucket.name().to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(bucket.endpoint().to_owned()),
            keys: Some((bucket.access_key().to_owned(), bucket.secret_key().to_owned())),
            prefix: folder.map(str::to_owned),
            path_style: true,
            skip_verify: false,
        })
    };
    Place { backend: Box::new(backend), directory: None }
}

pub(crate) async fn gcs() -> Place {
    let bucket = google::Bucket::create().await;
    let backend = move |folder: Option<&str>| {
        Backend::Gcs(Gcs {
            bucket: bucket.name().to_owned(),
            key_file: None,
            endpoint: Some(bucket.endpoint().to_owned()),
            prefix: folder.map(str::to_owned),
            skip_verify: false,
        })
    };
    Place { backend: Box::new(backend), directory: None }
}

pub(crate) async fn azure() -> Place {
    let container = Container::create().await;
    let backend = move |folder: Option<&str>| {
        Backend::Azure(Azure {
            account: container.account().to_owned(),
            key: Some(container.key().to_owned()),
            container: container.name().to_owned(),
            endpoint: Some(container.endpoint().to_owned()),
            prefix: folder.map(str::to_owned),
            skip_verify: false,
        })
    };
    Place { backend: Box::new(backend), directory: None }
}

impl Place {
    /// The store of that id.
    pub(crate) fn store(&self, id: &str) -> BlobStore {
        BlobStore::open(&(self.backend)(None), id).unwrap()
    }

    /// The store of that id in a folder of the place.
    pub(crate) fn store_in(&self, folder: &str, id: &str) -> BlobStore {
        BlobStore::open(&(self.backend)(Some(folder)), id).unwrap()
    }
}

/// Bytes in which each place differs from its neighbours.
pub(crate) fn content(length: usize) -> Bytes {
    (0..length).map(|index| u8::try_from((index / 7 + index / 65_521) % 251).unwrap()).collect()
}

/// A body in chunks, as they come from a client.
pub(crate) fn body(content: &Bytes) -> ByteStream {
    let chunks: Vec<_> =
        (0..content.len()).step_by(60_000).map(|at| content.slice(at..content.len().min(at + 60_000))).collect();
    Box::pin(stream::iter(chunks.into_iter().map(Ok)))
}

/// The same, cut off behind its last byte.
pub(crate) fn broken_body(content: &Bytes) -> ByteStream {
    Box::pin(body(content).chain(stream::iter([Err(Error::BodyIncomplete)])))
}

pub(crate) async fn write(store: &BlobStore, body: ByteStream) -> Written {
    store.write(Bytes::new(), body, Hasher::new(Algorithm::Sha256)).await.unwrap()
}

/// Writes a small segment.
pub(crate) async fn write_small(store: &BlobStore) -> SegmentKey {
    write(store, body(&content(10))).await.key
}

pub(crate) fn piece(key: &SegmentKey, start: u64, end: u64) -> Piece {
    Piece { key: key.clone(), range: ByteRange { start, end } }
}

pub(crate) async fn read(store: &BlobStore, pieces: Vec<Piece>) -> Result<Vec<u8>> {
    store
        .read(pieces)
        .try_fold(Vec::new(), |mut all, bytes| async move {
            all.extend_from_slice(&bytes);
            Ok(all)
        })
        .await
}

pub(crate) async fn list(store: &BlobStore, shard: Option<u16>) -> Vec<Stored> {
    let mut all: Vec<_> = store.list(shard).try_collect().await.unwrap();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}
