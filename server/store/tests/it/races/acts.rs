//! What the sides of races do: writes of the port, as the use cases call them.

use bytes::Bytes;
use sqlx::Executor as _;
use zot_core::digest::{Algorithm, Digest};
use zot_domain::call::RequestId;
use zot_domain::condition::WriteCondition;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::{
    AppendUpload, BeginUpload, CommitBlob, Content, Metadata as _, MountBlob, NewContent, PushRights, RemoveTarget,
    Segment, Upload,
};
use zot_domain::ports::objects::{
    BeginMultipart, CompleteMultipart, DeleteObject, MultipartInput, Objects as _, Part, PutObject, Source,
};
use zot_domain::ports::upkeep::{Collected, DeadSegment, Upkeep as _};
use zot_domain::{ArtifactError, Error, ObjectError, Result};

use super::explore::{Act, Refused, Side};
use crate::database::Fresh;
use crate::make::{ALL_RIGHTS, audit, commit, empty_hash, inline, manifest, repository, segment, sha256};
use crate::objects::object;

/// Content in one segment.
pub(crate) fn segmented(text: &str, key: SegmentKey) -> NewContent {
    let segment = Segment { key, start: 0, size: text.len() as u64, sha256: None };
    NewContent { content: Content::Segments(vec![segment]), ..inline(text) }
}

/// Pushes a blob in one segment.
pub(crate) fn push(name: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move { side.commit_blob(commit(name, segmented(text, SegmentKey::new()))).await })
}

/// Pushes a blob in a segment of that key.
pub(crate) fn push_under(name: &'static str, text: &'static str, key: SegmentKey) -> Act {
    Act::new(move |side| {
        let write = commit(name, segmented(text, key.clone()));
        async move { side.commit_blob(write).await }
    })
}

/// Pushes a blob by its SHA-512, so that it has two names.
pub(crate) fn push_512(name: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move {
        let mut content = segmented(text, SegmentKey::new());
        content.digests.sha512 = Some(Digest::of(Algorithm::Sha512, text.as_bytes()));
        side.commit_blob(commit(name, content)).await
    })
}

pub(crate) fn mount(from: &'static str, to: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move {
        let mount = MountBlob {
            digest: sha256(text),
            from: Some(repository(from)),
            repository: repository(to),
            rights: ALL_RIGHTS,
            audit: audit(),
        };
        side.mount_blob(mount).await
    })
}

/// Puts a manifest over blobs.
pub(crate) fn publish(
    name: &'static str,
    own: &'static str,
    blobs: &'static [&'static str],
    tags: &'static [&'static str],
) -> Act {
    publish_as(ALL_RIGHTS, name, own, blobs, tags)
}

/// Puts a manifest with some rights only.
pub(crate) fn publish_as(
    rights: PushRights,
    name: &'static str,
    own: &'static str,
    blobs: &'static [&'static str],
    tags: &'static [&'static str],
) -> Act {
    Act::new(move |side| async move {
        let mut write = manifest(name, own, blobs, tags);
        write.rights = rights;
        side.publish_manifest(write).await.map(|()| true)
    })
}

/// Removes a tag, a manifest or a blob.
pub(crate) fn remove(name: &'static str, target: RemoveTarget) -> Act {
    Act::new(move |side| {
        let target = target.clone();
        async move { crate::make::remove(&side, name, target).await }
    })
}

pub(crate) const SESSION: &str = "one";
const SESSION_OF: &str = "team/a";

/// Opens the session that the acts below go on with.
pub(crate) async fn begin_session(store: &Fresh) {
    let upload = BeginUpload {
        id: SESSION.to_owned(),
        repository: repository(SESSION_OF),
        actor: "tester".to_owned(),
        hash_state: empty_hash(),
        lifetime_secs: 60,
        open_max: 10,
    };
    store.begin_upload(upload).await.unwrap();
}

async fn session(side: &Side) -> Result<Upload, ArtifactError> {
    side.upload(SESSION, &repository(SESSION_OF), "tester").await?.ok_or(ArtifactError::UploadUnknown)
}

/// The segment of a session's tail and `size` bytes more.
fn behind(session: &Upload, size: u64) -> Segment {
    let tail = session.tail.len() as u64;
    segment(session.offset - tail, tail + size)
}

/// Takes a chunk of `size` bytes into the session.
pub(crate) fn patch(size: u64) -> Act {
    patch_under(size, None)
}

/// The same, in a segment of that key.
pub(crate) fn patch_under(size: u64, key: Option<SegmentKey>) -> Act {
    Act::new(move |side| {
        let key = key.clone();
        async move {
            let from = session(&side).await?;
            let mut segment = behind(&from, size);
            if let Some(key) = key {
                segment.key = key;
            }
            let append = AppendUpload {
                offset: from.offset + size,
                hash_state: vec![1, 2, 3],
                tail: Bytes::new(),
                segment: Some(segment),
                request_id: RequestId::new(),
                lifetime_secs: 60,
                from,
            };
            Ok::<_, Refused>(side.append_upload(append).await?)
        }
    })
}

/// What a session of that many bytes holds.
pub(crate) fn session_text(length: u64) -> String {
    (0..length).map(|at| char::from(b'a' + u8::try_from(at % 26).unwrap())).collect()
}

/// Ends the session with `size` bytes more.
pub(crate) fn close(size: u64) -> Act {
    Act::new(move |side| async move {
        let upload = session(&side).await?;
        let text = session_text(upload.offset + size);
        let content = NewContent { content: Content::Segments(vec![behind(&upload, size)]), ..inline(&text) };
        let commit = CommitBlob { upload: Some(upload), ..commit(SESSION_OF, content) };
        Ok::<_, Refused>(side.commit_blob(commit).await?)
    })
}

/// Ends the session without a blob.
pub(crate) fn cancel() -> Act {
    Act::new(|side| async move { side.cancel_upload(SESSION, &repository(SESSION_OF), "tester").await })
}

pub(crate) const UPLOAD: &str = "up";

/// Opens the multipart upload that the acts below go on with, for the key `big`.
pub(crate) async fn begin_parts(store: &Fresh) {
    let begin = BeginMultipart {
        id: UPLOAD.to_owned(),
        bucket: "team".to_owned(),
        key: "big".to_owned(),
        input: MultipartInput::default(),
        lifetime_secs: 60,
        audit: audit(),
    };
    assert!(store.begin_multipart(begin).await.unwrap());
}

fn a_part(number: i64, etag: &str, text: &str) -> Part {
    let segment = Segment { key: SegmentKey::new(), start: 0, size: text.len() as u64, sha256: None };
    Part { number, segment, etag: etag.to_owned(), checksums: zot_core::checksum::Checksums::default(), created: 0 }
}

pub(crate) fn part(number: i64, etag: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move { side.add_part(UPLOAD, a_part(number, etag, text)).await })
}

/// Uploads a part in a segment of that key.
pub(crate) fn part_under(key: SegmentKey) -> Act {
    Act::new(move |side| {
        let mut part = a_part(7, "e", "hello");
        part.segment.key = key.clone();
        async move { side.add_part(UPLOAD, part).await }
    })
}

/// Uploads a part, before a race.
pub(crate) async fn add_part(store: &Fresh, number: i64, etag: &str, text: &str) {
    assert!(store.add_part(UPLOAD, a_part(number, etag, text)).await.unwrap());
}

/// Completes the upload out of the parts that it has.
pub(crate) fn complete() -> Act {
    complete_if(WriteCondition::Always)
}

/// Completes it on a condition.
pub(crate) fn complete_if(condition: WriteCondition) -> Act {
    Act::new(move |side| {
        let condition = condition.clone();
        async move {
            let parts = side.parts(UPLOAD, 0, 100).await?;
            let size = parts.iter().map(|part| part.segment.size).sum();
            let etag = parts.iter().map(|part| part.etag.as_str()).collect::<Vec<_>>().join("+");
            let object = PutObject {
                manifest_digest: None,
                etag: etag.clone(),
                source: Source::Blob { blob: 0, size },
                condition,
                ..object("big", "")
            };
            let complete = CompleteMultipart { id: UPLOAD.to_owned(), parts, object, result: etag };
            Ok::<_, Refused>(side.complete_multipart(complete).await?.is_some())
        }
    })
}

/// Gives the upload up.
pub(crate) fn abort() -> Act {
    Act::new(|side| async move { side.abort_multipart("team", "big", UPLOAD, audit()).await })
}

/// Puts an object, its bytes in the database.
pub(crate) fn put(key: &'static str, text: &'static str) -> Act {
    put_if(key, text, WriteCondition::Always)
}

/// Puts an object on a condition.
pub(crate) fn put_if(key: &'static str, text: &'static str, condition: WriteCondition) -> Act {
    Act::new(move |side| {
        let write = PutObject { condition: condition.clone(), ..object(key, text) };
        async move { side.put_object(write).await.map(|_| true) }
    })
}

/// Puts an object with some rights only.
pub(crate) fn put_as(rights: PushRights, key: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move { side.put_object(PutObject { rights, ..object(key, text) }).await.map(|_| true) })
}

/// Puts an object whose bytes are a segment.
pub(crate) fn put_segment(key: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move {
        let source = Source::New(segmented(text, SegmentKey::new()));
        side.put_object(PutObject { source, ..object(key, text) }).await.map(|_| true)
    })
}

/// Copies an object, as the use case does: what is known of the source when it is read goes along.
pub(crate) fn copy(from: &'static str, to: &'static str) -> Act {
    Act::new(move |side| async move {
        let source = side.object("team", from, None).await?.filter(|object| !object.delete_marker);
        let source = source.ok_or_else(|| ObjectError::NoSuchKey(from.to_owned()))?;
        let manifest_digest = source.digest.as_ref().map(|digest| {
            zot_core::render::Rendering {
                digest: digest.as_str(),
                size: source.size,
                content_type: "text/plain",
                key: to,
                version: zot_core::render::RENDER_VERSION,
            }
            .manifest_digest()
        });
        let write = PutObject {
            source: Source::Blob { blob: source.blob.unwrap_or_default(), size: source.size },
            etag: source.etag,
            manifest_digest,
            ..object(to, "")
        };
        side.put_object(write).await.map(|_| true)
    })
}

pub(crate) fn delete(key: &'static str) -> Act {
    delete_if(key, None, WriteCondition::Always)
}

/// Deletes a version of an object, on a condition.
pub(crate) fn delete_if(key: &'static str, version: Option<&'static str>, condition: WriteCondition) -> Act {
    Act::new(move |side| {
        let version_id = version.map(ToOwned::to_owned);
        let (bucket, key) = ("team".to_owned(), key.to_owned());
        let delete = DeleteObject { bucket, key, version_id, condition: condition.clone(), audit: audit() };
        async move { side.delete_object(delete).await.map(|_| true) }
    })
}

/// Digests an object whose bytes are `text`.
pub(crate) fn digest(key: &'static str, text: &'static str) -> Act {
    Act::new(move |side| async move {
        let Some(blob) = side.object("team", key, None).await?.and_then(|object| object.blob) else { return Ok(false) };
        let Some(open) = side.open_blob(blob).await? else { return Ok(false) };
        side.set_digest(open.blob, &sha256(text)).await.map(|()| true)
    })
}

/// Claims what lies in blob storage and that no row names, as the sweep does before it touches bytes.
pub(crate) fn sweep(key: SegmentKey) -> Act {
    Act::new(move |side| {
        let found = [DeadSegment { key: key.clone(), size: 5 }];
        async move { Ok::<_, Refused>(!side.claim_orphans(&found).await?.is_empty()) }
    })
}

/// Shortest grace period of garbage collection, in seconds.
const GRACE_SECS: i64 = 3600;

/// Looks at all candidates, as one run of garbage collection does; true if something went.
pub(crate) fn collect() -> Act {
    Act::new(|side| async move {
        let mut removed = false;
        for candidate in side.candidates(GRACE_SECS, 100).await? {
            removed |= matches!(side.collect(&candidate, GRACE_SECS).await?, Collected::Removed(_));
        }
        Ok::<_, Refused>(removed)
    })
}

/// Lets an upload's time run out, and ends it as garbage collection does; false if somebody went on with it.
pub(crate) fn expire(id: &'static str) -> Act {
    Act::new(move |side| async move {
        side.step("TIME").await;
        let end = "UPDATE upload SET expires_at = 1 WHERE state = 'open'";
        side.raw_pool().execute(end).await.map_err(|error| Error::Internal(error.to_string()))?;
        side.step("PASSES").await;
        side.expire_upload(id).await
    })
}

/// Makes rows look old, and their candidates due.
pub(crate) async fn forget(store: &Fresh) {
    age(store).await;
    store.execute("UPDATE gc_candidate SET due_at = 1".to_owned()).await;
}

/// Makes rows look old, so that touching them is a write that others wait for.
pub(crate) async fn age(store: &Fresh) {
    store.execute("UPDATE repo_blob SET touched_at = 1; UPDATE blob SET touched_at = 1".to_owned()).await;
}

/// Does it alone, before a race.
pub(crate) async fn run(store: &Fresh, act: Act) {
    assert!(act.alone(store).await.unwrap());
}
