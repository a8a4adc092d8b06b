//! What writers that died left behind: shown by a disk, kept from view by a cloud.

use std::fs::File;
use std::time::{Duration, SystemTime};

use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::inventory::Inventory as _;

use crate::place::{self, list, write_small};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn of_a_disk_old_unfinished_files_are_deleted_and_nothing_else() {
    let place = place::disk().await;
    let store = place.store("id");
    let key = write_small(&store).await;
    let shard = place.directory.as_ref().unwrap().path().join("id").join(key.shard());
    let make = |name: String, age: Duration| {
        let file = shard.join(name);
        std::fs::write(&file, "12345").unwrap();
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(SystemTime::from(zot_core::ambient::now()) - age)
            .unwrap();
        file
    };
    let old: Vec<_> = ["1", "22"].map(|number| make(format!("{}#{number}", SegmentKey::new()), 3 * HOUR)).into();
    let mut stays = vec![make(format!("{}#1", SegmentKey::new()), HOUR / 2), shard.join(key.to_string())];
    stays.extend(
        ["notes#1".to_owned(), format!("{}#", SegmentKey::new()), format!("{}#x", SegmentKey::new())]
            .map(|name| make(name, 3 * HOUR)),
    );
    assert_eq!(store.delete_unfinished(HOUR).await.unwrap(), 10);
    assert!(old.iter().all(|file| !file.exists()));
    assert!(stays.iter().all(|file| file.exists()), "{stays:?}");
    assert_eq!(store.delete_unfinished(HOUR).await.unwrap(), 0);
    assert_eq!(place.store("never written to").delete_unfinished(HOUR).await.unwrap(), 0);
}

#[tokio::test]
async fn of_a_cloud_nothing_is_deleted() {
    for place in [place::s3().await, place::gcs().await, place::azure().await] {
        let store = place.store("id");
        let key = write_small(&store).await;
        assert_eq!(store.delete_unfinished(Duration::ZERO).await.unwrap(), 0);
        assert_eq!(list(&store, None).await[0].key.as_ref(), Some(&key));
    }
}
