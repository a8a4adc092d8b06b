//! Digesting and concurrent writes: rule A9.

use zot_domain::ObjectError;
use zot_domain::ports::metadata::Metadata as _;
use zot_domain::ports::objects::Objects as _;

use super::acts::{add_part, begin_parts, complete, copy, delete, digest, put, put_segment, run};
use super::explore::{Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{repository, sha256};
use crate::objects::text;

use super::buckets::{one, rendered, undigested, undigested_twin};

#[tokio::test]
async fn a9_a_copy_and_the_digesting_of_its_source() {
    let track = Track::of_all_ages().await;
    for twin in [false, true] {
        let setup = async |store: &Fresh| if twin { undigested_twin(store).await } else { undigested(store).await };
        let check = async |store: &Fresh, ends: &Ends| {
            ends.both_done();
            ends.at_once();
            for key in ["big", "copy"] {
                let found = store.object("team", key, None).await.unwrap().unwrap();
                assert_eq!(found.digest, Some(sha256("hello")));
                assert!(rendered(store, key, "hello").await, "{key} has an OCI manifest");
            }
            assert!(store.blob(&repository("team"), &sha256("hello")).await.unwrap().is_some());
        };
        track.explore_deeply(setup, (copy("big", "copy"), digest("big", "hello")), check).await;
    }
}

#[tokio::test]
async fn a9_a_put_of_the_bytes_that_are_being_digested() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(rendered(store, "big", "hello").await && rendered(store, "other", "hello").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM blob_name").await, 1);
    };
    track.explore(undigested, (put_segment("other", "hello"), digest("big", "hello")), &check).await;
    track.explore(undigested_twin, (put("other", "hello"), digest("big", "hello")), &check).await;
}

#[tokio::test]
async fn a9_a_delete_or_an_overwrite_while_the_bytes_are_digested() {
    let track = Track::of_all_ages().await;
    for twin in [false, true] {
        let setup = async |store: &Fresh| if twin { undigested_twin(store).await } else { undigested(store).await };
        let check = async |store: &Fresh, ends: &Ends| {
            assert!(ends.done_a() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
            ends.at_once();
            assert_eq!(text(store, "big", None).await, None);
            assert!(!rendered(store, "big", "hello").await);
        };
        track.explore(&setup, (delete("big"), digest("big", "hello")), check).await;
        let check = async |store: &Fresh, ends: &Ends| {
            assert!(ends.done_a() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
            ends.at_once();
            assert!(rendered(store, "big", "other").await && !rendered(store, "big", "hello").await);
        };
        track.explore(&setup, (put("big", "other"), digest("big", "hello")), check).await;
    }
}

#[tokio::test]
async fn a9_two_digest_one_blob_or_two_of_the_same_bytes() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done() >= 1 && ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert!(rendered(store, "big", "hello").await);
    };
    track.explore(undigested_twin, (digest("big", "hello"), digest("big", "hello")), &check).await;
    // a second one, under another key
    let two = async |store: &Fresh| {
        undigested(store).await;
        store.execute("DELETE FROM upload".to_owned()).await;
        run(store, copy("big", "second")).await;
        begin_parts(store).await;
        add_part(store, 1, "e", "hello").await;
        run(store, complete()).await;
    };
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        assert!(rendered(store, "big", "hello").await && rendered(store, "second", "hello").await);
        assert_eq!(store.count("SELECT COUNT(*) FROM blob WHERE merged_into IS NULL").await, 1);
    };
    track.explore(two, (digest("big", "hello"), digest("second", "hello")), check).await;
}

#[tokio::test]
async fn a9_a_copy_of_an_object_that_goes() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Object(ObjectError::NoSuchKey(_)))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(text(store, "copy", None).await.is_some(), ends.done_a());
    };
    track.explore(one, (copy("a", "copy"), delete("a")), &check).await;
    track.explore(undigested, (copy("big", "copy"), delete("big")), &check).await;
}
