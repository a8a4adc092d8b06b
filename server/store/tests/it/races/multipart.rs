//! Uploads in parts: rule A6.

use zot_domain::ObjectError;
use zot_domain::condition::WriteCondition;
use zot_domain::ports::objects::Objects as _;

use super::acts::{UPLOAD, abort, add_part, begin_parts, complete, complete_if, part, put};
use super::explore::{Ends, Refused, Track};
use crate::database::Fresh;
use crate::objects::{bucket, text};

/// An upload of two parts.
async fn begun(store: &Fresh) {
    bucket(store, "team").await;
    begin_parts(store).await;
    add_part(store, 1, "one", "11111").await;
    add_part(store, 2, "two", "22222").await;
}

async fn etag(store: &Fresh) -> Option<String> {
    store.object("team", "big", None).await.unwrap().map(|object| object.etag)
}

async fn segments(store: &Fresh) -> (i64, i64, i64) {
    (
        store.count("SELECT COUNT(*) FROM segment WHERE state = 'staged'").await,
        store.count("SELECT COUNT(*) FROM segment WHERE state = 'live'").await,
        store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await,
    )
}

#[tokio::test]
async fn a6_completing_while_a_part_is_uploaded_again() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_a(), "{:?}", ends.a);
        assert!(ends.b.is_ok(), "{:?}", ends.b);
        ends.at_once();
        // the part is in the object if it was there when the parts were read, and else it is nobody's
        let etag = etag(store).await.unwrap();
        assert!(etag == "one+two" || (etag == "one+new" && ends.done_b()), "{etag}");
        assert_eq!(segments(store).await, (0, 2, 1));
        assert_eq!(store.multipart_result("team", "big", UPLOAD).await.unwrap(), Some(etag));
    };
    Track::new().await.explore_deeply(begun, (complete(), part(2, "new", "333")), check).await;
}

#[tokio::test]
async fn a6_completing_and_aborting() {
    let check = async |store: &Fresh, ends: &Ends| {
        // who completes after the abort finds no parts: the use case answers that there is no such upload
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(etag(store).await.is_some(), ends.done_a());
        assert_eq!(segments(store).await, if ends.done_a() { (0, 2, 0) } else { (0, 0, 2) });
    };
    Track::new().await.explore_deeply(begun, (complete(), abort()), check).await;
}

#[tokio::test]
async fn a6_completing_twice() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(etag(store).await.as_deref(), Some("one+two"));
        assert_eq!(store.multipart_result("team", "big", UPLOAD).await.unwrap().as_deref(), Some("one+two"));
        assert_eq!(segments(store).await, (0, 2, 0));
    };
    Track::new().await.explore_deeply(begun, (complete(), complete()), check).await;
}

#[tokio::test]
async fn a6_a_part_while_the_upload_is_aborted() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b() && ends.a.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(segments(store).await, (0, 0, 3));
    };
    Track::new().await.explore(begun, (part(3, "three", "333"), abort()), check).await;
}

#[tokio::test]
async fn a6_one_part_uploaded_twice() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        ends.at_once();
        let parts = store.parts(UPLOAD, 0, 10).await.unwrap();
        assert!(parts.len() == 2 && ["a", "b"].contains(&parts[1].etag.as_str()));
        assert_eq!(store.count("SELECT MAX(rev) FROM part").await, 3);
    };
    Track::new().await.explore(begun, (part(2, "a", "333"), part(2, "b", "4444")), check).await;
}

#[tokio::test]
async fn a6_a_completion_whose_condition_fails_leaves_the_upload_open() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        let open = store.multipart("team", "big", UPLOAD).await.unwrap().is_some();
        assert_eq!(open, matches!(ends.a, Err(Refused::Object(ObjectError::PreconditionFailed))), "{:?}", ends.a);
        assert_eq!(open, !ends.done_a());
        ends.at_once();
        assert_eq!(text(store, "big", None).await.as_deref(), Some("small"), "it came later, or won");
        assert_eq!(segments(store).await.0, if open { 2 } else { 0 });
    };
    Track::new().await.explore(begun, (complete_if(WriteCondition::Absent), put("big", "small")), check).await;
}
