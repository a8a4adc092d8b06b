//! Objects: rules A10, B7, B8 and B12.

use std::collections::BTreeMap;

use zot_core::name::Reference;
use zot_core::render::{RENDER_VERSION, Rendering};
use zot_domain::condition::WriteCondition;
use zot_domain::ports::metadata::{Metadata as _, RemoveTarget};
use zot_domain::ports::objects::{BeginMultipart, MultipartInput, Objects as _, Versioning};
use zot_domain::{ArtifactError, Error, ObjectError};

use super::acts::{
    add_part, age, begin_parts, complete, delete, delete_if, part, publish, push, put, put_segment, remove, run,
};
use super::explore::{Act, Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{self, audit, manifest, repository, sha256};
use crate::objects::{bucket, manifest_digest, object, text, versioning};

/// A bucket without objects.
pub(crate) async fn empty(store: &Fresh) {
    bucket(store, "team").await;
}

/// A bucket with an object `a`, whose blob nobody touched for long.
pub(crate) async fn one(store: &Fresh) {
    empty(store).await;
    store.put_object(object("a", "one")).await.unwrap();
    age(store).await;
}

/// The same where versions are kept; the first one is called `v1`.
pub(crate) async fn versioned(store: &Fresh) {
    empty(store).await;
    versioning(store, Versioning::Enabled).await;
    store.put_object(object("a", "one")).await.unwrap();
    store
        .execute("UPDATE object_version SET version_id = 'v1'; UPDATE object_head SET version_id = 'v1'".to_owned())
        .await;
    store.put_object(object("a", "two")).await.unwrap();
    store
        .execute(
            "UPDATE object_version SET version_id = 'v2' WHERE seq = 2; UPDATE object_head SET version_id = 'v2'"
                .to_owned(),
        )
        .await;
    age(store).await;
}

/// An object `big` of bytes `hello` that are not digested yet.
pub(crate) async fn undigested(store: &Fresh) {
    empty(store).await;
    begin_parts(store).await;
    add_part(store, 1, "e", "hello").await;
    run(store, complete()).await;
}

/// The same, and the store has these bytes already.
pub(crate) async fn undigested_twin(store: &Fresh) {
    undigested(store).await;
    store.put_object(object("small", "hello")).await.unwrap();
    age(store).await;
}

pub(crate) async fn versions(store: &Fresh) -> i64 {
    store.count("SELECT COUNT(*) FROM object_version").await
}

/// Whether the OCI API finds an object's manifest.
pub(crate) async fn rendered(store: &Fresh, key: &str, text: &str) -> bool {
    let reference = Reference::Digest(manifest_digest(key, text));
    store.manifest(&repository("team"), &reference).await.unwrap().is_some()
}

/// The manifest of an object `a` of the bytes `one`, as a client may push it.
fn rendering() -> String {
    let digest = sha256("one");
    let (digest, content_type) = (digest.as_str(), "text/plain");
    Rendering { digest, size: 3, content_type, key: "a", version: RENDER_VERSION }.bytes()
}

/// The object's manifest with a tag, and a signature of it.
async fn push_over_object(store: &Fresh) {
    make::publish(store, "team", &rendering(), &["one"], &["v1"]).await.unwrap();
    let mut signature = manifest("team", "signature", &[], &[]);
    signature.manifest.subject = Some(manifest_digest("a", "one"));
    store.publish_manifest(signature).await.unwrap();
    age(store).await;
}

/// An object with both.
async fn signed_object(store: &Fresh) {
    one(store).await;
    push_over_object(store).await;
}

async fn signed(store: &Fresh) -> bool {
    store.manifest(&repository("team"), &Reference::Digest(sha256("signature"))).await.unwrap().is_some()
}

#[tokio::test]
async fn b7_two_puts_of_one_key() {
    let track = Track::of_all_ages().await;
    // over nothing, over other bytes, and with the very bytes that the other one replaces
    let pairs = [(false, "x", "y"), (false, "x", "x"), (true, "x", "y"), (true, "one", "y"), (true, "one", "one")];
    for (over_one, first, second) in pairs {
        let setup = async |store: &Fresh| if over_one { one(store).await } else { empty(store).await };
        let check = async |store: &Fresh, ends: &Ends| {
            ends.both_done();
            ends.at_once();
            let last = text(store, "a", None).await.unwrap();
            assert!(last == first || last == second, "{last}");
            assert!(rendered(store, "a", &last).await);
            assert_eq!(versions(store).await, 1);
        };
        track.explore(setup, (put("a", first), put("a", second)), check).await;
    }
}

#[tokio::test]
async fn b7_two_puts_of_one_key_where_versions_are_kept() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert_eq!(versions(store).await, 4);
        assert_eq!(store.count("SELECT MAX(seq) FROM object_version").await, 4);
    };
    track.explore(versioned, (put("a", "x"), put_segment("a", "y")), check).await;
    let suspended = async |store: &Fresh| {
        versioned(store).await;
        versioning(store, Versioning::Suspended).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert_eq!(versions(store).await, 3, "one of them is the null version");
    };
    track.explore(suspended, (put("a", "x"), put("a", "two")), check).await;
}

#[tokio::test]
async fn b7_a_put_and_a_delete() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        // a delete that finds neither the object nor its absence looks again
        assert!(ends.begun_a == 1 && ends.begun_b <= 2);
        let last = text(store, "a", None).await;
        assert!(last.is_none() || last.as_deref() == Some("x"), "{last:?}");
    };
    for setup in [false, true] {
        let setup = async |store: &Fresh| if setup { one(store).await } else { empty(store).await };
        track.explore(setup, (put("a", "x"), delete("a")), &check).await;
    }
    track.explore(one, (put("a", "one"), delete("a")), async |_: &Fresh, ends: &Ends| ends.both_done()).await;
    track.explore(versioned, (put("a", "x"), delete("a")), &check).await;
}

#[tokio::test]
async fn b7_versions_go_while_others_come() {
    let track = Track::of_all_ages().await;
    let always = WriteCondition::Always;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert_eq!(versions(store).await, 2);
        assert_eq!(text(store, "a", None).await.as_deref(), Some("x"));
    };
    for version in ["v1", "v2"] {
        track.explore(versioned, (delete_if("a", Some(version), always.clone()), put("a", "x")), &check).await;
    }
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert_eq!((versions(store).await, text(store, "a", None).await), (0, None));
    };
    let both = (delete_if("a", Some("v1"), always.clone()), delete_if("a", Some("v2"), always));
    track.explore(versioned, both, check).await;
}

#[tokio::test]
async fn a10_the_oci_door_deletes_a_manifest_that_becomes_an_objects() {
    let setup = async |store: &Fresh| {
        empty(store).await;
        run(store, put("other", "one")).await;
        push_over_object(store).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Unsupported(_)))), "{:?}", ends.a);
        ends.at_once();
        assert!(rendered(store, "a", "one").await, "the object is there in both APIs");
        assert_eq!(text(store, "a", None).await.as_deref(), Some("one"));
    };
    let acts = (remove("team", RemoveTarget::Manifest(manifest_digest("a", "one"))), put("a", "one"));
    Track::of_all_ages().await.explore(setup, acts, check).await;
}

#[tokio::test]
async fn a10_the_oci_door_cannot_delete_an_objects_manifest_while_it_is_put_again() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(
            ends.done_b() && matches!(ends.a, Err(Refused::Common(Error::Unsupported(_)))),
            "{:?}, {:?}",
            ends.a,
            ends.b
        );
        ends.at_once();
        assert!(rendered(store, "a", "one").await && signed(store).await);
        assert!(store.manifest(&repository("team"), &"v1".parse().unwrap()).await.unwrap().is_some());
    };
    let acts = (remove("team", RemoveTarget::Manifest(manifest_digest("a", "one"))), put("a", "one"));
    Track::of_all_ages().await.explore(signed_object, acts, check).await;
}

#[tokio::test]
async fn b12_the_same_object_again_keeps_what_hangs_on_it() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(rendered(store, "a", "one").await && signed(store).await);
        assert!(store.manifest(&repository("team"), &"v1".parse().unwrap()).await.unwrap().is_some());
    };
    Track::of_all_ages().await.explore(signed_object, (put("a", "one"), put("a", "one")), check).await;
}

#[tokio::test]
async fn b12_an_object_goes_while_a_manifest_over_its_bytes_comes() {
    let setup = async |store: &Fresh| {
        one(store).await;
        // there is a repository already
        make::push(store, "team", "something").await;
    };
    let publish = Act::new(|side| async move {
        side.publish_manifest(manifest("team", &rendering(), &["one"], &["v1"])).await.map(|()| true)
    });
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(
            matches!(ends.a, Ok(true) | Err(Refused::Artifact(ArtifactError::ManifestBlobUnknown(_)))),
            "{:?}",
            ends.a
        );
        assert_eq!(text(store, "a", None).await, None);
        assert!(!rendered(store, "a", "one").await, "deleted on every path");
        assert!(store.blob(&repository("team"), &sha256("one")).await.unwrap().is_none());
    };
    Track::of_all_ages().await.explore_deeply(setup, (publish, delete("a")), check).await;
}

#[tokio::test]
async fn b12_an_object_goes_while_it_is_signed() {
    let sign = Act::new(|side| async move {
        let mut signature = manifest("team", "another signature", &[], &["signed"]);
        signature.manifest.subject = Some(manifest_digest("a", "one"));
        side.publish_manifest(signature).await.map(|()| true)
    });
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(!rendered(store, "a", "one").await && !signed(store).await);
        assert!(store.manifest(&repository("team"), &"v1".parse().unwrap()).await.unwrap().is_none());
    };
    Track::of_all_ages().await.explore(signed_object, (sign, delete("a")), check).await;
}

#[tokio::test]
async fn b7_tags_and_a_put() {
    let tag = Act::new(|side| async move {
        let tags: BTreeMap<String, String> = [("k".to_owned(), "v".to_owned())].into();
        side.tag_object("team", "a", None, &tags, audit()).await
    });
    let check = async |store: &Fresh, ends: &Ends| {
        // tags that come to no version were set and overwritten: the use case says done
        assert!(ends.a.is_ok() && ends.done_b(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(text(store, "a", None).await.as_deref(), Some("x"));
    };
    Track::of_all_ages().await.explore(one, (tag, put("a", "x")), check).await;
}

#[tokio::test]
async fn b8_a_bucket_goes_while_something_comes() {
    let track = Track::of_all_ages().await;
    let gone = || Act::new(|side| async move { side.delete_bucket("team", audit()).await });
    // an object was there, and an upload has expired
    let setup = async |store: &Fresh| {
        one(store).await;
        run(store, delete("a")).await;
        begin_parts(store).await;
        add_part(store, 1, "e", "hello").await;
        store.execute("UPDATE upload SET expires_at = 1".to_owned()).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        assert!(matches!(ends.a, Ok(_) | Err(Refused::Object(ObjectError::NoSuchBucket(_)))), "{:?}", ends.a);
        assert!(matches!(ends.b, Ok(_) | Err(Refused::Object(ObjectError::BucketNotEmpty(_)))), "{:?}", ends.b);
        assert_eq!(store.count("SELECT COUNT(*) FROM namespace").await == 0, ends.done_b());
    };
    track.explore(setup, (put("a", "x"), gone()), &check).await;
    track
        .explore(setup, (part(2, "f", "world"), gone()), async |_: &Fresh, ends: &Ends| {
            assert!(ends.done_b() && matches!(ends.a, Ok(false)), "{:?}, {:?}", ends.a, ends.b);
        })
        .await;
    let begin = Act::new(|side| async move {
        let begin = BeginMultipart {
            id: "another".to_owned(),
            bucket: "team".to_owned(),
            key: "big".to_owned(),
            input: MultipartInput::default(),
            lifetime_secs: 60,
            audit: audit(),
        };
        side.begin_multipart(begin).await
    });
    track.explore(setup, (begin, gone()), &check).await;
    let push = push("team/a", "hello");
    track
        .explore(setup, (push, gone()), async |store: &Fresh, ends: &Ends| {
            assert!(
                ends.done_a() && matches!(ends.b, Ok(true) | Err(Refused::Object(ObjectError::BucketNotEmpty(_)))),
                "{:?}, {:?}",
                ends.a,
                ends.b
            );
            assert!(store.blob(&repository("team/a"), &sha256("hello")).await.unwrap().is_some());
        })
        .await;
}

#[tokio::test]
async fn a7_a_reader_finds_a_blob_whatever_references_it() {
    let read = || {
        Act::new(|side| async move {
            let found = side.blob(&repository("team"), &sha256("one")).await?;
            Ok::<_, Refused>(found.is_some())
        })
    };
    let track = Track::of_all_ages().await;
    let check = async |_: &Fresh, ends: &Ends| ends.both_done();
    // first an object is all that references it, then a manifest, then an object again
    let writes = Act::chain(vec![
        publish("team", "over", &["one"], &[]),
        delete("a"),
        put("b", "one"),
        remove("team", RemoveTarget::Manifest(sha256("over"))),
        remove("team", RemoveTarget::Blob(sha256("one"))),
    ]);
    track.explore(one, (read(), writes), check).await;
}

#[tokio::test]
async fn b12_a_push_makes_an_objects_blob_its_own_while_the_object_goes() {
    let setup = async |store: &Fresh| {
        one(store).await;
        make::publish(store, "team", "over", &["one"], &[]).await.unwrap();
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(store.blob(&repository("team"), &sha256("one")).await.unwrap().is_some());
        assert_eq!(store.count("SELECT COUNT(*) FROM repo_blob WHERE adopted = 1").await, 0);
    };
    Track::of_all_ages().await.explore(setup, (push("team", "one"), delete("a")), check).await;
}
