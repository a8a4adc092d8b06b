//! Objects: conditions, versions, multipart uploads, digesting, and the bucket's own repository.

use std::collections::BTreeMap;

use zot_core::checksum::Checksums;
use zot_core::digest::Digest;
use zot_core::render::{RENDER_VERSION, Rendering};
use zot_domain::condition::WriteCondition;
use zot_domain::ports::metadata::{Content, Metadata as _, PushRights, RemoveTarget};
use zot_domain::ports::objects::{
    Attributes, BeginMultipart, CompleteMultipart, ConfigureBucket, CreateBucket, DeleteObject, Deleted,
    MultipartInput, Objects as _, Part, Put, PutObject, Source, Versioning,
};
use zot_domain::{ArtifactError, Error, ObjectError, Result};

use crate::database::Fresh;
use crate::make::{ALL_RIGHTS, audit, inline, manifest, publish, push, remove, repository, segment, sha256};
use crate::on_both;

on_both! {
    an_object_is_what_was_put_last,
    of_many_conditional_creators_one_wins,
    of_many_conditional_updaters_one_wins,
    create_is_not_update_for_objects,
    versions_are_kept_and_deleted_one_by_one,
    an_unversioned_overwrite_leaves_one_version,
    a_bucket_that_holds_something_stays,
    parts_become_one_object,
    a_part_uploaded_again_replaces_the_first,
    who_completes_first_wins,
    a_part_that_is_not_the_uploads_is_not_completed,
    digesting_names_the_blob_and_its_objects,
    digesting_onto_a_known_digest_moves_the_objects,
    an_object_is_an_artifact_of_the_buckets_repository,
    a_deleted_object_is_gone_on_every_path,
    a_pushed_blob_outlives_an_object_of_its_bytes,
}

pub(crate) async fn bucket(store: &Fresh, name: &str) {
    let create = CreateBucket { name: name.to_owned(), region: None, audit: audit() };
    assert!(store.create_bucket(create).await.unwrap());
}

pub(crate) async fn versioning(store: &Fresh, versioning: Versioning) {
    let configure =
        ConfigureBucket { name: "team".to_owned(), versioning: Some(versioning), tags: None, audit: audit() };
    assert!(store.configure_bucket(configure).await.unwrap());
}

pub(crate) fn manifest_digest(key: &str, text: &str) -> Digest {
    let digest = sha256(text);
    let (digest, size) = (digest.as_str(), text.len() as u64);
    Rendering { digest, size, content_type: "text/plain", key, version: RENDER_VERSION }.manifest_digest()
}

pub(crate) fn object(key: &str, text: &str) -> PutObject {
    PutObject {
        bucket: "team".to_owned(),
        key: key.to_owned(),
        source: Source::New(inline(text)),
        etag: format!("etag of {text}"),
        attributes: Attributes { content_type: "text/plain".to_owned(), ..Attributes::default() },
        checksums: Checksums::default(),
        part_sizes: None,
        manifest_digest: Some(manifest_digest(key, text)),
        condition: WriteCondition::Always,
        rights: ALL_RIGHTS,
        audit: audit(),
    }
}

pub(crate) async fn put(store: &Fresh, key: &str, text: &str) -> Put {
    store.put_object(object(key, text)).await.unwrap()
}

pub(crate) async fn delete(store: &Fresh, key: &str, version: Option<&str>) -> Deleted {
    let version_id = version.map(ToOwned::to_owned);
    let (bucket, key, condition) = ("team".to_owned(), key.to_owned(), WriteCondition::Always);
    store.delete_object(DeleteObject { bucket, key, version_id, condition, audit: audit() }).await.unwrap()
}

/// The text of the newest version; none if there is no object.
pub(crate) async fn text(store: &Fresh, key: &str, version: Option<&str>) -> Option<String> {
    let object = store.object("team", key, version).await.unwrap().filter(|object| !object.delete_marker)?;
    match object.content {
        Content::Inline(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Content::Segments(segments) => Some(format!("{} segments", segments.len())),
    }
}

async fn an_object_is_what_was_put_last(store: &Fresh) {
    assert!(matches!(store.put_object(object("a", "1")).await, Err(ObjectError::NoSuchBucket(_))));
    bucket(store, "team").await;
    put(store, "a", "1").await;
    put(store, "a/b", "2").await;
    put(store, "a", "3").await;
    assert_eq!(text(store, "a", None).await.as_deref(), Some("3"));
    assert_eq!(text(store, "a/b", None).await.as_deref(), Some("2"));
    delete(store, "a", None).await;
    assert_eq!(text(store, "a", None).await, None);
    assert_eq!(delete(store, "a", None).await, Deleted::default(), "what is not there is deleted as well");
    put(store, "a", "4").await;
    assert_eq!(text(store, "a", None).await.as_deref(), Some("4"));
}

async fn race(store: &Fresh, puts: Vec<PutObject>) -> Vec<Result<Put, ObjectError>> {
    let tasks: Vec<_> = puts
        .into_iter()
        .map(|put| {
            let store = (**store).clone();
            tokio::spawn(async move { store.put_object(put).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

fn won(outcomes: &[Result<Put, ObjectError>]) -> usize {
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(ObjectError::PreconditionFailed)), "{outcome:?}");
    }
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

async fn of_many_conditional_creators_one_wins(store: &Fresh) {
    bucket(store, "team").await;
    for round in 0..5 {
        let lock =
            |index| PutObject { condition: WriteCondition::Absent, ..object("lock", &format!("holder {index}")) };
        assert_eq!(won(&race(store, (0..32).map(lock).collect()).await), 1, "round {round}");
        delete(store, "lock", None).await;
    }
}

async fn of_many_conditional_updaters_one_wins(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "start").await;
    let matching = WriteCondition::Match("etag of start".to_owned());
    let update = |index| PutObject { condition: matching.clone(), ..object("a", &format!("update {index}")) };
    assert_eq!(won(&race(store, (0..32).map(update).collect()).await), 1);
    let absent = PutObject { condition: matching, ..object("absent", "x") };
    assert!(matches!(store.put_object(absent).await, Err(ObjectError::NoSuchKey(_))));
}

async fn create_is_not_update_for_objects(store: &Fresh) {
    bucket(store, "team").await;
    let with = |text: &str, create, update| PutObject {
        rights: PushRights { create, update, ..ALL_RIGHTS },
        ..object("a", text)
    };
    assert!(matches!(store.put_object(with("1", false, true)).await, Err(ObjectError::Common(Error::Denied(_)))));
    store.put_object(with("1", true, false)).await.unwrap();
    assert!(matches!(store.put_object(with("2", true, false)).await, Err(ObjectError::Common(Error::Denied(_)))));
    store.put_object(with("3", false, true)).await.unwrap();
    delete(store, "a", None).await;
    assert!(matches!(store.put_object(with("4", false, true)).await, Err(ObjectError::Common(Error::Denied(_)))));
}

async fn versions_are_kept_and_deleted_one_by_one(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "0").await;
    versioning(store, Versioning::Enabled).await;
    let first = put(store, "a", "1").await.version_id;
    let second = put(store, "a", "2").await.version_id;
    let marker = delete(store, "a", None).await;
    assert!(marker.delete_marker);
    assert_eq!(text(store, "a", None).await, None);
    for (version, expected) in [("null", "0"), (&first, "1"), (&second, "2")] {
        assert_eq!(text(store, "a", Some(version)).await.as_deref(), Some(expected));
    }
    assert!(delete(store, "a", marker.version_id.as_deref()).await.delete_marker);
    assert_eq!(text(store, "a", None).await.as_deref(), Some("2"), "the marker is gone");
    delete(store, "a", Some(&second)).await;
    assert_eq!(text(store, "a", None).await.as_deref(), Some("1"), "the next lower one is the newest");
    versioning(store, Versioning::Suspended).await;
    put(store, "a", "3").await;
    assert_eq!(text(store, "a", Some("null")).await.as_deref(), Some("3"), "the null version was replaced");
    assert_eq!(store.count("SELECT COUNT(*) FROM object_version").await, 2);
}

async fn an_unversioned_overwrite_leaves_one_version(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "12345").await;
    put(store, "a", "123").await;
    assert_eq!(store.count("SELECT COUNT(*) FROM object_version").await, 1);
    assert_eq!(store.count("SELECT CAST(SUM(bytes) AS BIGINT) FROM usage_delta").await, 3);
    assert_eq!(store.count("SELECT COUNT(*) FROM gc_candidate WHERE kind = 'blob'").await, 1);
}

async fn a_bucket_that_holds_something_stays(store: &Fresh) {
    let gone = |name: &'static str| store.delete_bucket(name, audit());
    bucket(store, "team").await;
    put(store, "a", "1").await;
    assert!(matches!(gone("team").await, Err(ObjectError::BucketNotEmpty(_))));
    delete(store, "a", None).await;
    assert!(gone("team").await.unwrap());
    assert!(!gone("team").await.unwrap());
    push(store, "other/app", "blob").await;
    assert!(matches!(gone("other").await, Err(ObjectError::BucketNotEmpty(_))), "it holds a repository");
    remove(store, "other/app", RemoveTarget::Blob(sha256("blob"))).await.unwrap();
    assert!(gone("other").await.unwrap());
    assert_eq!(store.count("SELECT COUNT(*) FROM namespace").await, 0);
}

pub(crate) async fn begin(store: &Fresh, id: &str) {
    let begin = BeginMultipart {
        id: id.to_owned(),
        bucket: "team".to_owned(),
        key: "big".to_owned(),
        input: MultipartInput::default(),
        lifetime_secs: 60,
        audit: audit(),
    };
    assert!(store.begin_multipart(begin).await.unwrap());
}

pub(crate) fn part(number: i64, etag: &str, size: u64) -> Part {
    Part { number, segment: segment(0, size), etag: etag.to_owned(), checksums: Checksums::default(), created: 0 }
}

async fn complete(store: &Fresh, id: &str, parts: Vec<Part>) -> Result<Option<Put>, ObjectError> {
    let object = PutObject { manifest_digest: None, etag: "md5-2".to_owned(), ..object("big", "") };
    let size = parts.iter().map(|part| part.segment.size).sum();
    let object = PutObject { source: Source::Blob { blob: 0, size }, ..object };
    store.complete_multipart(CompleteMultipart { id: id.to_owned(), parts, object, result: "done".to_owned() }).await
}

async fn parts_become_one_object(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    for number in [3, 1, 2] {
        assert!(store.add_part("up", part(number, &format!("e{number}"), 10)).await.unwrap());
    }
    let parts = store.parts("up", 0, 100).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(complete(store, "up", parts[..2].to_vec()).await.unwrap().is_some());
    let found = store.object("team", "big", None).await.unwrap().unwrap();
    assert_eq!((found.size, found.digest), (20, None));
    assert!(matches!(found.content, Content::Segments(segments) if segments[1].start == 10));
    assert_eq!(
        store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await,
        1,
        "the part that was not named"
    );
    assert_eq!(store.multipart_result("team", "big", "up").await.unwrap().as_deref(), Some("done"));
    assert!(!store.add_part("up", part(4, "late", 10)).await.unwrap());
    assert!(complete(store, "up", parts).await.unwrap().is_none());
}

async fn a_part_uploaded_again_replaces_the_first(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    store.add_part("up", part(1, "old", 10)).await.unwrap();
    store.add_part("up", part(1, "new", 11)).await.unwrap();
    let parts = store.parts("up", 0, 100).await.unwrap();
    assert_eq!((parts.len(), parts[0].etag.as_str()), (1, "new"));
    complete(store, "up", parts).await.unwrap().unwrap();
    assert_eq!(store.object("team", "big", None).await.unwrap().unwrap().size, 11);
}

async fn who_completes_first_wins(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    store.add_part("up", part(1, "e", 10)).await.unwrap();
    let parts = store.parts("up", 0, 100).await.unwrap();
    let aborting = store.abort_multipart("team", "big", "up", audit());
    let (completed, aborted) = tokio::join!(complete(store, "up", parts), aborting);
    assert_ne!(completed.unwrap().is_some(), aborted.unwrap(), "exactly one of both");
    assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'staged'").await, 0);
}

async fn a_part_that_is_not_the_uploads_is_not_completed(store: &Fresh) {
    bucket(store, "team").await;
    begin(store, "up").await;
    begin(store, "other").await;
    store.add_part("up", part(1, "e", 10)).await.unwrap();
    store.add_part("other", part(2, "f", 10)).await.unwrap();
    let mut parts = store.parts("up", 0, 100).await.unwrap();
    parts.extend(store.parts("other", 0, 100).await.unwrap());
    assert!(matches!(complete(store, "up", parts).await, Err(ObjectError::Common(Error::Conflict))));
    assert!(store.object("team", "big", None).await.unwrap().is_none());
    assert_eq!(store.parts("up", 0, 100).await.unwrap().len(), 1, "all is rolled back");
    assert!(store.multipart("team", "big", "up").await.unwrap().is_some());
}

pub(crate) async fn multipart(store: &Fresh, id: &str) -> i64 {
    begin(store, id).await;
    store.add_part(id, part(1, "e", 5)).await.unwrap();
    let parts = store.parts(id, 0, 100).await.unwrap();
    complete(store, id, parts).await.unwrap().unwrap();
    store.object("team", "big", None).await.unwrap().unwrap().blob.unwrap()
}

async fn digesting_names_the_blob_and_its_objects(store: &Fresh) {
    bucket(store, "team").await;
    let blob = multipart(store, "up").await;
    let open = store.oldest_open_blob().await.unwrap().unwrap();
    assert_eq!((open.blob, open.size, open.segments.len()), (blob, 5, 1));
    store.set_digest(blob, &sha256("hello")).await.unwrap();
    store.set_digest(blob, &sha256("hello")).await.unwrap();
    assert!(store.oldest_open_blob().await.unwrap().is_none());
    let digested = store.object("team", "big", None).await.unwrap().unwrap();
    assert_eq!(digested.digest, Some(sha256("hello")));
    let reference = manifest_digest("big", "hello");
    let found = store.manifest(&repository("team"), &reference.to_string().parse().unwrap()).await.unwrap();
    assert_eq!(found.unwrap().digest, reference);
}

async fn digesting_onto_a_known_digest_moves_the_objects(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "small", "hello").await;
    let winner = store.object("team", "small", None).await.unwrap().unwrap().blob;
    let blob = multipart(store, "up").await;
    let copy = PutObject { source: Source::Blob { blob, size: 5 }, manifest_digest: None, ..object("copy", "") };
    store.set_digest(blob, &sha256("hello")).await.unwrap();
    // a copy that was asked for before digesting and made after it
    store.put_object(copy).await.unwrap();
    for key in ["big", "copy"] {
        let found = store.object("team", key, None).await.unwrap().unwrap();
        assert_eq!((found.blob, found.digest), (winner, Some(sha256("hello"))), "{key}");
        assert!(matches!(found.content, Content::Inline(bytes) if &bytes[..] == b"hello"));
    }
}

async fn an_object_is_an_artifact_of_the_buckets_repository(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "hello").await;
    let (own, reference) = (repository("team"), manifest_digest("a", "hello"));
    assert!(store.manifest(&own, &reference.to_string().parse().unwrap()).await.unwrap().is_some());
    assert!(store.blob(&own, &sha256("hello")).await.unwrap().is_some());
    assert!(store.blob(&repository("team/app"), &sha256("hello")).await.unwrap().is_none());
    assert!(store.blob(&repository("other"), &sha256("hello")).await.unwrap().is_none());
    publish(store, "team", "a manifest over the object", &["hello"], &["v1"]).await.unwrap();
    let removal = remove(store, "team", RemoveTarget::Manifest(reference)).await;
    assert!(matches!(removal, Err(ArtifactError::Common(Error::Unsupported(_)))), "it goes only with the object");
}

async fn a_deleted_object_is_gone_on_every_path(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "a", "hello").await;
    put(store, "same/a", "hello").await;
    let (own, reference) = (repository("team"), manifest_digest("a", "hello"));
    let rendered = Rendering {
        digest: sha256("hello").as_str(),
        size: 5,
        content_type: "text/plain",
        key: "a",
        version: RENDER_VERSION,
    }
    .bytes();
    // a tag on the object, a signature of it, and a signature of the signature
    publish(store, "team", &rendered, &["hello"], &["v1"]).await.unwrap();
    for (name, subject) in [("signature", reference.clone()), ("of the signature", sha256("signature"))] {
        let mut referrer = manifest("team", name, &[], &[]);
        referrer.manifest.subject = Some(subject);
        store.publish_manifest(referrer).await.unwrap();
    }
    delete(store, "a", None).await;
    for gone in [
        reference.to_string(),
        "v1".to_owned(),
        sha256("signature").to_string(),
        sha256("of the signature").to_string(),
    ] {
        assert!(store.manifest(&own, &gone.parse().unwrap()).await.unwrap().is_none(), "{gone}");
    }
    assert!(store.blob(&own, &reference).await.unwrap().is_none());
    assert!(store.blob(&own, &sha256("hello")).await.unwrap().is_some(), "another object has these bytes");
    delete(store, "same/a", None).await;
    assert!(store.blob(&own, &sha256("hello")).await.unwrap().is_none());
    // the same object once more: what hangs on it stays
    put(store, "b", "again").await;
    let mut signature = manifest("team", "signature of b", &[], &[]);
    signature.manifest.subject = Some(manifest_digest("b", "again"));
    store.publish_manifest(signature).await.unwrap();
    put(store, "b", "again").await;
    let kept = sha256("signature of b").to_string().parse().unwrap();
    assert!(store.manifest(&own, &kept).await.unwrap().is_some());
    let tags: BTreeMap<String, String> = BTreeMap::new();
    assert!(!store.tag_object("team", "a", None, &tags, audit()).await.unwrap());
}

async fn a_pushed_blob_outlives_an_object_of_its_bytes(store: &Fresh) {
    bucket(store, "team").await;
    put(store, "before", "hello").await;
    publish(store, "team", "over the object", &["hello"], &[]).await.unwrap();
    push(store, "team", "hello").await;
    remove(store, "team", RemoveTarget::Manifest(sha256("over the object"))).await.unwrap();
    delete(store, "before", None).await;
    assert!(store.blob(&repository("team"), &sha256("hello")).await.unwrap().is_some(), "pushed after it was adopted");
    put(store, "after", "hello").await;
    delete(store, "after", None).await;
    assert!(store.blob(&repository("team"), &sha256("hello")).await.unwrap().is_some(), "pushed before");
}
