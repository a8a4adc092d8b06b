//! Folding usage beside writers, beside another process that folds, and after a COMMIT whose answer was lost: a row is
//! counted once (rule B3). That booked and used bytes are equal is among the invariants.

use zot_domain::ports::upkeep::Upkeep as _;

use super::acts::{delete, put, run};
use super::buckets::empty;
use super::explore::{Act, Ends, Track};
use crate::database::Fresh;

fn fold() -> Act {
    Act::new(|side| async move { side.fold_usage(100).await.map(|rows| rows > 0) })
}

async fn folded(store: &Fresh) -> i64 {
    store.count("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage_total").await
}

/// The rest, when nobody writes any more.
async fn fold_rest(store: &Fresh) {
    run(store, fold()).await;
    assert_eq!(store.count("SELECT COUNT(*) FROM usage_delta").await, 0);
}

/// One object, whose bytes are not folded yet.
async fn unfolded(store: &Fresh) {
    empty(store).await;
    run(store, put("unfolded", "hello")).await;
}

#[tokio::test]
async fn b3_a_put_beside_a_fold() {
    let check = async |store: &Fresh, ends: &Ends| {
        ends.both_done();
        fold_rest(store).await;
        assert_eq!(folded(store).await, 10);
    };
    Track::new().await.explore(unfolded, (put("key", "bytes"), fold()), check).await;
}

#[tokio::test]
async fn b3_a_delete_beside_a_fold() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.b.is_ok(), "{:?}, {:?}", ends.a, ends.b);
        fold_rest(store).await;
        assert_eq!(folded(store).await, 0);
    };
    Track::new().await.explore(unfolded, (delete("unfolded"), fold()), check).await;
}

#[tokio::test]
async fn b3_two_folds() {
    let check = async |store: &Fresh, ends: &Ends| {
        assert!(ends.a.is_ok() && ends.b.is_ok() && ends.done() >= 1, "{:?}, {:?}", ends.a, ends.b);
        assert_eq!(folded(store).await, 5);
    };
    Track::new().await.explore(unfolded, (fold(), fold()), check).await;
}
