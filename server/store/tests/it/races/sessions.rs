//! Segments and sessions: rules A1 and A5.

use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::Metadata as _;
use zot_domain::{ArtifactError, Error};

use super::acts::{
    SESSION, begin_parts, begin_session, cancel, close, part_under, patch, patch_under, push_under, session_text, sweep,
};
use super::explore::{Ends, Refused, Track};
use crate::database::Fresh;
use crate::make::{repository, sha256};
use crate::objects::bucket;

#[tokio::test]
async fn a1_a_commit_and_the_sweep_of_its_segment() {
    let key = SegmentKey::new();
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert_ne!(ends.done_a(), ends.done_b(), "who comes second loses");
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Conflict))), "{:?}", ends.a);
        let found = store.blob(&repository("team/a"), &sha256("hello")).await.unwrap();
        assert_eq!(found.is_some(), ends.done_a());
        let dead = store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await;
        assert_eq!(dead == 1, ends.done_b());
    };
    track.explore(async |_| {}, (push_under("team/a", "hello", key.clone()), sweep(key)), check).await;
}

#[tokio::test]
async fn a1_a_chunk_or_a_part_and_the_sweep_of_its_segment() {
    let key = SegmentKey::new();
    let track = Track::new().await;
    let check = async |store: &Fresh, ends: &Ends| {
        assert_ne!(ends.done_a(), ends.done_b(), "who comes second loses");
        assert!(matches!(ends.a, Ok(true) | Err(Refused::Common(Error::Conflict))), "{:?}", ends.a);
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await == 1, ends.done_b());
    };
    track.explore(begun, (patch_under(5, Some(key.clone())), sweep(key.clone())), &check).await;
    let parts = async |store: &Fresh| {
        bucket(store, "team").await;
        begin_parts(store).await;
    };
    track.explore(parts, (part_under(key.clone()), sweep(key)), &check).await;
}

/// A session that holds three bytes, all of them in its row.
async fn begun(store: &Fresh) {
    begin_session(store).await;
    store.execute("UPDATE upload SET length = 3, tail = 'abc'".to_owned()).await;
}

/// Whoever lost was told so at once, and its bytes are dead: those of `b` only if it brought some.
async fn losers_are_dead(store: &Fresh, ends: &Ends, b_has_bytes: bool) {
    for outcome in [&ends.a, &ends.b] {
        assert!(matches!(outcome, Ok(_) | Err(Refused::Artifact(ArtifactError::UploadUnknown))), "{outcome:?}");
    }
    ends.at_once();
    assert!(ends.done() >= 1, "{:?}, {:?}", ends.a, ends.b);
    let lost = usize::from(matches!(ends.a, Ok(false))) + usize::from(b_has_bytes && matches!(ends.b, Ok(false)));
    let dead = store.count("SELECT COUNT(*) FROM segment WHERE state = 'dead'").await;
    assert!(dead >= i64::try_from(lost).unwrap(), "{dead} dead segments of {lost} that lost");
}

async fn length(store: &Fresh) -> Option<u64> {
    store.upload(SESSION, &repository("team/a"), "tester").await.unwrap().map(|session| session.offset)
}

async fn pushed(store: &Fresh, length: u64) -> bool {
    store.blob(&repository("team/a"), &sha256(&session_text(length))).await.unwrap().is_some()
}

#[tokio::test]
async fn a5_two_replicas_append_to_one_session() {
    let check = async |store: &Fresh, ends: &Ends| {
        losers_are_dead(store, ends, true).await;
        let expected = 3 + u64::from(ends.done_a()) * 5 + u64::from(ends.done_b()) * 7;
        assert_eq!(length(store).await, Some(expected));
    };
    Track::new().await.explore_deeply(begun, (patch(5), patch(7)), check).await;
}

#[tokio::test]
async fn a5_one_replica_appends_and_another_one_closes() {
    let check = async |store: &Fresh, ends: &Ends| {
        losers_are_dead(store, ends, true).await;
        let appended = 3 + u64::from(ends.done_a()) * 5;
        assert_eq!(length(store).await, (!ends.done_b()).then_some(appended));
        assert_eq!(pushed(store, appended + 7).await, ends.done_b());
    };
    Track::new().await.explore_deeply(begun, (patch(5), close(7)), check).await;
}

#[tokio::test]
async fn a5_two_replicas_close_one_session() {
    let check = async |store: &Fresh, ends: &Ends| {
        losers_are_dead(store, ends, true).await;
        assert_eq!(ends.done(), 1);
        assert_eq!((pushed(store, 8).await, pushed(store, 10).await), (ends.done_a(), ends.done_b()));
    };
    Track::new().await.explore_deeply(begun, (close(5), close(7)), check).await;
}

#[tokio::test]
async fn a5_one_replica_closes_and_another_one_cancels() {
    let check = async |store: &Fresh, ends: &Ends| {
        losers_are_dead(store, ends, false).await;
        assert_eq!(ends.done(), 1);
        assert_eq!(pushed(store, 8).await, ends.done_a());
        assert_eq!(length(store).await, None);
    };
    Track::new().await.explore(begun, (close(5), cancel()), check).await;
}

#[tokio::test]
async fn a5_one_replica_appends_and_another_one_cancels() {
    let check = async |store: &Fresh, ends: &Ends| {
        losers_are_dead(store, ends, false).await;
        assert!(ends.done_b(), "nothing stands in the way of cancelling");
        assert_eq!(store.count("SELECT COUNT(*) FROM segment WHERE state <> 'dead'").await, 0);
    };
    Track::new().await.explore(begun, (patch(5), cancel()), check).await;
}
