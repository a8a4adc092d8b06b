//! Use cases with real bytes on disk: what is read before a transaction may be old when it begins. Rules A3, A5, A6.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use md5::{Digest as _, Md5};
use tempfile::TempDir;
use zot_blobs::{Backend, BlobStore};
use zot_core::digest::{Algorithm, Digest};
use zot_core::object_key::ObjectKey;
use zot_core::policy::Settings;
use zot_core::range::ByteRange;
use zot_domain::Access;
use zot_domain::artifact::Artifacts;
use zot_domain::authorizer::Authorizer;
use zot_domain::bucket::Buckets;
use zot_domain::bucket::multipart::{Announced, NamedPart};
use zot_domain::bucket::put::Expected;
use zot_domain::call::Call;
use zot_domain::condition::WriteCondition;
use zot_domain::gc::{Collector, Rules};
use zot_domain::ports::blobs::ByteStream;
use zot_domain::ports::metadata::{Metadata as _, RemoveTarget};
use zot_domain::{ArtifactError, ObjectError, Result};
use zot_store::Store;

use super::acts::{SESSION, begin_parts, begin_session};
use super::explore::{Act, Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{remove, repository};
use crate::objects::bucket;

const POLICY: Settings = Settings { access_control: false, anonymous_read: false, read_only: false };
/// More than a session's row holds, so that it becomes a segment.
const CHUNK: usize = 300 * 1024;

fn call() -> Call {
    let mut call = Call::system("test");
    "tester".clone_into(&mut call.principal.subject);
    call
}

/// Bytes that differ from place to place.
fn bytes(from: usize, to: usize) -> Bytes {
    (from..to).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<u8>>().into()
}

fn body(bytes: Bytes) -> ByteStream {
    Box::pin(stream::once(async move { Ok(bytes) }))
}

/// Blob storage in a folder of the test's own.
struct Disk {
    folder: TempDir,
    blobs: BlobStore,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(&Backend::Local(folder.path().to_owned()), "store").unwrap();
        Self { folder, blobs }
    }

    /// Removes what earlier runs left.
    fn empty(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let _ = std::fs::remove_dir_all(entry.unwrap().path());
        }
    }

    fn artifacts(&self, store: &Store) -> Artifacts {
        Artifacts::new(Arc::new(store.clone()), Arc::new(self.blobs.clone()), Authorizer::new(POLICY))
    }

    fn buckets(&self, store: &Store) -> Buckets {
        let access = Access::new(Arc::new(store.clone()), Authorizer::new(POLICY));
        Buckets::new(Arc::new(store.clone()), Arc::new(self.blobs.clone()), access)
    }

    /// Each file has a row, so that whatever nobody needs is found.
    async fn is_known(&self, store: &Fresh) {
        for key in files(self.folder.path()) {
            let row = format!("SELECT COUNT(*) FROM segment WHERE key = '{key}'");
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(row)).fetch_one(store.raw_pool()).await.unwrap();
            assert_eq!(rows, 1, "{key} has no row");
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// A session that holds a first chunk.
async fn begun(disk: &Disk, store: &Fresh) {
    disk.empty();
    begin_session(store).await;
    let appended = append(&disk.artifacts(store), 0, CHUNK).await;
    assert_eq!(appended.unwrap(), CHUNK as u64);
}

async fn append(artifacts: &Artifacts, from: usize, to: usize) -> Result<u64, ArtifactError> {
    let start = Some(from as u64);
    artifacts.append_upload(&call(), &repository("team/a"), SESSION, start, body(bytes(from, to))).await
}

async fn finish(artifacts: &Artifacts, from: usize, to: usize) -> Result<u64, ArtifactError> {
    finish_as(artifacts, Algorithm::Sha256, from, to).await
}

async fn finish_as(artifacts: &Artifacts, algorithm: Algorithm, from: usize, to: usize) -> Result<u64, ArtifactError> {
    let digest = Digest::of(algorithm, &bytes(0, to));
    let (repository, start) = (repository("team/a"), Some(from as u64));
    artifacts.finish_upload(&call(), &repository, SESSION, start, &digest, body(bytes(from, to))).await
}

/// Reads a blob of that many bytes back.
async fn whole(artifacts: &Artifacts, length: usize) -> bool {
    let digest = Digest::of(Algorithm::Sha256, &bytes(0, length));
    let Ok(blob) = artifacts.blob(&call(), &repository("team/a"), &digest).await else { return false };
    let range = ByteRange { start: 0, end: blob.size };
    let read: Vec<Bytes> = artifacts.open(&blob, range).try_collect().await.unwrap();
    assert_eq!(read.concat(), bytes(0, length));
    true
}

/// A chunk that is sent through one replica, by a client that may be sending it through another one too.
fn chunk(disk: &Arc<Disk>) -> Act {
    let disk = Arc::clone(disk);
    Act::new(move |side| {
        let artifacts = disk.artifacts(&side);
        async move { told(append(&artifacts, CHUNK, 2 * CHUNK).await) }
    })
}

fn last(disk: &Arc<Disk>) -> Act {
    last_as(disk, Algorithm::Sha256)
}

fn last_as(disk: &Arc<Disk>, algorithm: Algorithm) -> Act {
    let disk = Arc::clone(disk);
    Act::new(move |side| {
        let artifacts = disk.artifacts(&side);
        async move { told(finish_as(&artifacts, algorithm, CHUNK, 2 * CHUNK).await) }
    })
}

/// Whoever was slower is told where the session stands, or that it is over.
fn told(outcome: Result<u64, ArtifactError>) -> Result<bool, ArtifactError> {
    match outcome {
        Ok(held) => {
            assert_eq!(held, 2 * CHUNK as u64);
            Ok(true)
        }
        Err(ArtifactError::UploadOutOfOrder { offset }) => {
            assert_eq!(offset, 2 * CHUNK as u64);
            Ok(false)
        }
        Err(ArtifactError::UploadUnknown) => Ok(false),
        Err(error) => Err(error),
    }
}

#[tokio::test]
async fn a5_a_client_sends_a_chunk_through_two_replicas() {
    let disk = Arc::new(Disk::new());
    let setup = async |store: &Fresh| begun(&disk, store).await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() == 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        let artifacts = disk.artifacts(store);
        finish(&artifacts, 2 * CHUNK, 2 * CHUNK + 5).await.unwrap();
        assert!(whole(&artifacts, 2 * CHUNK + 5).await);
        disk.is_known(store).await;
    };
    Track::new().await.explore(setup, (chunk(&disk), chunk(&disk)), check).await;
}

#[tokio::test]
async fn a5_a_client_sends_the_last_chunk_through_two_replicas() {
    let disk = Arc::new(Disk::new());
    let setup = async |store: &Fresh| begun(&disk, store).await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() == 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        assert!(whole(&disk.artifacts(store), 2 * CHUNK).await);
        disk.is_known(store).await;
    };
    let track = Track::new().await;
    track.explore(setup, (last(&disk), last(&disk)), &check).await;
    // an algorithm that is named only now: the segments are read once more, if they are still there
    track.explore(setup, (last_as(&disk, Algorithm::Sha512), last(&disk)), &check).await;
    track
        .explore(setup, (last_as(&disk, Algorithm::Sha512), chunk(&disk)), async |_: &Fresh, ends: &Ends| {
            assert!(ends.done() == 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        })
        .await;
}

#[tokio::test]
async fn a5_a_client_closes_through_one_replica_what_it_appended_through_another() {
    let disk = Arc::new(Disk::new());
    let setup = async |store: &Fresh| begun(&disk, store).await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() == 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        let artifacts = disk.artifacts(store);
        if ends.done_a() {
            finish(&artifacts, 2 * CHUNK, 2 * CHUNK).await.unwrap();
        }
        assert!(whole(&artifacts, 2 * CHUNK).await);
        disk.is_known(store).await;
    };
    Track::new().await.explore(setup, (chunk(&disk), last(&disk)), check).await;
}

fn key() -> ObjectKey {
    "big".parse().unwrap()
}

async fn part(buckets: &Buckets, number: i64, text: &'static str) -> Result<String, ObjectError> {
    let (call, key, body) = (call(), key(), body(Bytes::from_static(text.as_bytes())));
    let place = ("team", &key);
    let part = buckets.upload_part(&call, place, super::acts::UPLOAD, number, Expected::default(), body).await?;
    Ok(part.etag)
}

fn completes(disk: &Arc<Disk>) -> Act {
    let disk = Arc::clone(disk);
    Act::new(move |side| {
        let buckets = disk.buckets(&side);
        async move {
            let etag = hex::encode(Md5::digest(b"hello"));
            let named = [NamedPart { number: 1, etag, checksum: None }];
            let (key, id) = (key(), super::acts::UPLOAD);
            let completed = buckets
                .complete_multipart(&call(), ("team", &key), id, &named, Announced::default(), WriteCondition::Always)
                .await?;
            assert!(completed.etag.ends_with("-1"), "{}", completed.etag);
            Ok::<_, Refused>(true)
        }
    })
}

#[tokio::test]
async fn a6_a_client_completes_twice_and_is_answered_twice() {
    let disk = Arc::new(Disk::new());
    let setup = async |store: &Fresh| {
        bucket(store, "team").await;
        begin_parts(store).await;
        part(&disk.buckets(store), 1, "hello").await.unwrap();
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        assert_eq!(store.count("SELECT COUNT(*) FROM object_version").await, 1);
    };
    Track::new().await.explore(setup, (completes(&disk), completes(&disk)), check).await;
}

#[tokio::test]
async fn a6_a_client_aborts_what_it_completes() {
    let disk = Arc::new(Disk::new());
    let setup = async |store: &Fresh| {
        bucket(store, "team").await;
        begin_parts(store).await;
        part(&disk.buckets(store), 1, "hello").await.unwrap();
    };
    let aborts = {
        let disk = Arc::clone(&disk);
        Act::new(move |side| {
            let buckets = disk.buckets(&side);
            async move { buckets.abort_multipart(&call(), "team", &key(), super::acts::UPLOAD).await.map(|()| true) }
        })
    };
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        assert!(matches!(
            (&ends.a, &ends.b),
            (Err(Refused::Object(ObjectError::NoSuchMultipart)), _)
                | (_, Err(Refused::Object(ObjectError::NoSuchMultipart)))
        ));
        assert_eq!(store.count("SELECT COUNT(*) FROM object_version").await == 1, ends.done_a());
    };
    Track::new().await.explore(setup, (completes(&disk), aborts), check).await;
}

#[tokio::test]
async fn a3_a_reader_goes_on_to_the_last_byte_of_what_is_deleted() {
    let disk = Arc::new(Disk::new());
    let track = Track::new().await;
    let store = track.store();
    // many pieces: the reader opens the later ones after all is deleted
    begun(&disk, store).await;
    let artifacts = disk.artifacts(store);
    let pieces = 9;
    for piece in 1..pieces {
        append(&artifacts, piece * CHUNK, (piece + 1) * CHUNK).await.unwrap();
    }
    finish(&artifacts, pieces * CHUNK, pieces * CHUNK).await.unwrap();
    let digest = Digest::of(Algorithm::Sha256, &bytes(0, pieces * CHUNK));
    let blob = artifacts.blob(&call(), &repository("team/a"), &digest).await.unwrap();
    let mut reader = artifacts.open(&blob, ByteRange { start: 0, end: blob.size });
    let mut read = reader.next().await.unwrap().unwrap().to_vec();

    remove(store, "team/a", RemoveTarget::Blob(digest.clone())).await.unwrap();
    super::acts::forget(store).await;
    let incarnation = store.info().await.unwrap().incarnation;
    disk.blobs.ensure_marker(&incarnation).await.unwrap();
    let hour = std::time::Duration::from_hours(1);
    let rules = Rules { grace: hour, delete_delay: 24 * hour, orphan_age: 48 * hour };
    let collector = Collector::new(Arc::new((**store).clone()), Arc::new(disk.blobs.clone()), rules);
    let report = collector.run(&collector.lease("me"), 256).await.unwrap().unwrap();
    assert_eq!((report.blobs, report.segments), (1, 0), "{report:?}");
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await, 9);
    assert!(store.blob(&repository("team/a"), &digest).await.unwrap().is_none());

    while let Some(chunk) = reader.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read, bytes(0, pieces * CHUNK));
}
