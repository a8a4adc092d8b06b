//! The marker, which says which life of the database the blobs belong to.

use futures_util::future::join_all;
use zot_domain::ports::blobs::BlobWrites as _;
use zot_domain::ports::inventory::Inventory as _;

use crate::place::Place;

crate::on_all!(of_many_replicas_one_writes_the_marker, a_marker_is_changed_on_request);

async fn of_many_replicas_one_writes_the_marker(place: &Place) {
    let stores: Vec<_> = (0..8).map(|_| place.store("id")).collect();
    assert_eq!(stores[0].marker().await.unwrap(), None);
    let lives: Vec<_> = (0..8).map(|index| format!("life-{index}")).collect();
    let marked = join_all(stores.iter().zip(&lives).map(|(store, life)| store.ensure_marker(life))).await;
    let winner = stores[0].marker().await.unwrap().unwrap();
    assert!(lives.contains(&winner), "{winner}");
    for (outcome, life) in marked.into_iter().zip(&lives) {
        assert_eq!(outcome.unwrap(), winner, "what {life} was told");
    }
    assert_eq!(place.store("other").marker().await.unwrap(), None);
}

async fn a_marker_is_changed_on_request(place: &Place) {
    let store = place.store("id");
    assert!(store.probe().await.is_err(), "a store without a marker is not ready");
    store.set_marker("first").await.unwrap();
    store.set_marker("second").await.unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.ensure_marker("third").await.unwrap(), "second");
    assert_eq!(store.marker().await.unwrap().as_deref(), Some("second"));
}
