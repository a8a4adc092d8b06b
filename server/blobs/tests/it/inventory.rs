//! What lies in blob storage: listing and deleting it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::inventory::{Inventory as _, SHARDS};

use crate::place::{Place, body, content, list, piece, read, write, write_small};

crate::on_all!(
    a_store_lists_what_is_its_own,
    shards_together_are_the_whole,
    what_others_put_there_has_no_key,
    what_is_deleted_is_gone_and_may_have_been_gone,
    thousands_are_listed_and_deleted_at_once,
);

async fn a_store_lists_what_is_its_own(place: &Place) {
    let (store, other) = (place.store("id"), place.store("id2"));
    store.ensure_marker("life").await.unwrap();
    assert_eq!(list(&store, None).await, []);
    let written = write(&store, body(&content(1234))).await;
    write_small(&other).await;
    let before = zot_core::ambient::now().as_microsecond();
    let listed = list(&store, None).await;
    let [stored] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((stored.key.as_ref(), stored.size), (Some(&written.key), 1234));
    assert_eq!(stored.path, format!("id/{}/{}", written.key.shard(), written.key));
    let age = before - stored.modified;
    assert!((-60_000_000..3_600_000_000).contains(&age), "modified {age} µs ago");
}

async fn shards_together_are_the_whole(place: &Place) {
    let store = place.store("id");
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(write_small(&store).await);
    }
    let mut found = Vec::new();
    for shard in 0..SHARDS {
        let listed = list(&store, Some(shard)).await;
        let name = format!("{shard:02x}");
        assert!(listed.iter().all(|stored| stored.key.as_ref().is_some_and(|key| key.shard() == name)), "{listed:?}");
        found.extend(listed.into_iter().filter_map(|stored| stored.key));
    }
    keys.sort();
    found.sort();
    assert_eq!(found, keys);
}

/// A second store is opened in folders of the first one, to write where that would not.
async fn what_others_put_there_has_no_key(place: &Place) {
    let store = place.store("id");
    let ours = write_small(&store).await;
    let shard = ours.shard();
    // id/<shard>/marker
    place.store_in("id", &shard).set_marker("a file of somebody").await.unwrap();
    // id/deep/<shard>/<key>: a segment's name, but not its path
    let theirs = write_small(&place.store_in("id", "deep")).await;
    let listed: Vec<_> = list(&store, None).await.into_iter().map(|stored| (stored.path, stored.key)).collect();
    let mut expected = vec![
        (format!("id/{shard}/{ours}"), Some(ours)),
        (format!("id/{shard}/marker"), None),
        (format!("id/deep/{}/{theirs}", theirs.shard()), None),
    ];
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(listed, expected);
    let of_shard = list(&store, u16::from_str_radix(&shard, 16).ok()).await;
    assert_eq!(of_shard.len(), 2, "{of_shard:?}");
}

async fn what_is_deleted_is_gone_and_may_have_been_gone(place: &Place) {
    let store = place.store("id");
    let (gone, stays) = (write_small(&store).await, write_small(&store).await);
    store.delete(&[]).await.unwrap();
    store.delete(&[SegmentKey::new(), gone.clone(), SegmentKey::new()]).await.unwrap();
    store.delete(std::slice::from_ref(&gone)).await.unwrap();
    assert!(read(&store, vec![piece(&gone, 0, 10)]).await.is_err());
    assert_eq!(read(&store, vec![piece(&stays, 0, 10)]).await.unwrap(), content(10));
    let listed: Vec<_> = list(&store, None).await.into_iter().filter_map(|stored| stored.key).collect();
    assert_eq!(listed, [stays]);
}

/// More than a page of a list, and more than one request can delete, on any cloud but Azure's pages of 5,000.
async fn thousands_are_listed_and_deleted_at_once(place: &Place) {
    let store = place.store("id");
    let writes = stream::iter(0..1_050).map(|_| write_small(&store)).buffer_unordered(16);
    let mut keys: Vec<_> = writes.collect().await;
    let mut listed: Vec<_> = store.list(None).map_ok(|stored| stored.key.unwrap()).try_collect().await.unwrap();
    keys.sort();
    listed.sort();
    assert!(listed == keys, "{} of {} are listed", listed.len(), keys.len());
    let stays = keys.pop().unwrap();
    keys.push(SegmentKey::new());
    store.delete(&keys).await.unwrap();
    let left: Vec<_> = list(&store, None).await.into_iter().filter_map(|stored| stored.key).collect();
    assert_eq!(left, [stays]);
}
