//! Conditions and rights of puts and deletes: rule A8.

use zot_domain::condition::WriteCondition;
use zot_domain::ports::metadata::PushRights;
use zot_domain::{Error, ObjectError};

use super::acts::{delete, delete_if, put, put_as, put_if, run};
use super::explore::{Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::ALL_RIGHTS;
use crate::objects::text;

use super::buckets::{empty, one, versioned, versions};
const ABSENT: WriteCondition = WriteCondition::Absent;

fn over(text: &str) -> WriteCondition {
    WriteCondition::Match(format!("etag of {text}"))
}

#[tokio::test]
async fn a8_of_two_puts_if_absent_one_wins() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        assert!(matches!(
            (&ends.a, &ends.b),
            (Err(Refused::Object(ObjectError::PreconditionFailed)), _)
                | (_, Err(Refused::Object(ObjectError::PreconditionFailed)))
        ));
        ends.at_once();
        assert_eq!(text(store, "a", None).await.as_deref(), Some(if ends.done_a() { "x" } else { "y" }));
    };
    track.explore(empty, (put_if("a", "x", ABSENT), put_if("a", "y", ABSENT)), &check).await;
    let deleted = async |store: &Fresh| {
        one(store).await;
        run(store, delete("a")).await;
    };
    track.explore(deleted, (put_if("a", "x", ABSENT), put_if("a", "y", ABSENT)), &check).await;
}

#[tokio::test]
async fn a8_of_two_puts_over_one_version_one_wins() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(text(store, "a", None).await.as_deref(), Some(if ends.done_a() { "x" } else { "y" }));
    };
    Track::of_all_ages()
        .await
        .explore(one, (put_if("a", "x", over("one")), put_if("a", "y", over("one"))), check)
        .await;
}

#[tokio::test]
async fn a8_a_conditional_put_and_one_without() {
    let track = Track::of_all_ages().await;
    for (setup, condition) in [(false, ABSENT), (true, over("one"))] {
        let setup = async |store: &Fresh| if setup { one(store).await } else { empty(store).await };
        let check = async |store: &Fresh, ends: &Ends| {
            assert!(ends.done_b(), "{:?}", ends.b);
            assert!(matches!(ends.a, Ok(true) | Err(Refused::Object(ObjectError::PreconditionFailed))), "{:?}", ends.a);
            ends.at_once();
            assert_eq!(text(store, "a", None).await.as_deref(), Some("y"), "it came later, or the condition failed");
        };
        track.explore(setup, (put_if("a", "x", condition), put("a", "y")), check).await;
    }
}

#[tokio::test]
async fn a8_a_robot_that_may_only_create_and_a_racing_put() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Denied(_)))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(text(store, "a", None).await.as_deref(), Some("y"), "it came later, or was never overwritten");
    };
    let creator = PushRights { update: false, ..ALL_RIGHTS };
    Track::of_all_ages().await.explore(empty, (put_as(creator, "a", "x"), put("a", "y")), check).await;
}

#[tokio::test]
async fn a8_a_robot_that_may_only_update_and_a_delete() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Denied(_)))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(text(store, "a", None).await, None, "it is not made anew");
    };
    let updater = PushRights { create: false, ..ALL_RIGHTS };
    Track::of_all_ages().await.explore(one, (put_as(updater, "a", "x"), delete("a")), check).await;
}

#[tokio::test]
async fn a8_a_conditional_delete_and_a_put() {
    let track = Track::of_all_ages().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.done_b(), "{:?}", ends.b);
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Object(ObjectError::PreconditionFailed))), "{:?}", ends.a);
        ends.at_once();
        assert_eq!(text(store, "a", None).await.as_deref(), Some("y"), "only what was asked for was deleted");
    };
    track.explore(one, (delete_if("a", None, over("one")), put("a", "y")), &check).await;
    track.explore(versioned, (delete_if("a", None, over("two")), put("a", "y")), &check).await;
}

#[tokio::test]
async fn a8_of_two_conditional_deletes_one_wins() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert_eq!(ends.done(), 1, "{:?}, {:?}", ends.a, ends.b);
        ends.at_once();
        assert_eq!(versions(store).await, 0);
    };
    let acts = (delete_if("a", None, over("one")), delete_if("a", None, over("one")));
    Track::of_all_ages().await.explore(one, acts, check).await;
}
