//! What is tried at start. What the server says of rights that are missing: `tests/tests/it/preflight.rs`.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use zot_blobs::{Backend, BlobStore, Step};
use zot_domain::ports::inventory::Inventory as _;

use crate::place::{self, Place, list, write_small};

crate::on_all!(replicas_try_all_at_once_and_leave_nothing_behind);

async fn replicas_try_all_at_once_and_leave_nothing_behind(place: &Place) {
    let stores: Vec<_> = (0..4).map(|_| place.store("id")).collect();
    let key = write_small(&stores[0]).await;
    for outcome in join_all(stores.iter().map(BlobStore::preflight)).await {
        let preflight = outcome.unwrap();
        assert!(preflight.may_list && preflight.warnings.is_empty(), "{preflight:?}");
    }
    let left: Vec<_> = list(&stores[0], None).await.into_iter().map(|stored| stored.key).collect();
    assert_eq!(left, [Some(key)]);
    assert_eq!(stores[0].marker().await.unwrap(), None);
}

#[tokio::test]
async fn what_a_process_left_that_died_over_it_goes_an_hour_later() {
    let place = place::disk().await;
    let store = place.store("id");
    let folder = place.directory.as_ref().unwrap().path().join("id");
    std::fs::create_dir(&folder).unwrap();
    let make = |name: &str, minutes: u64| {
        std::fs::write(folder.join(name), "left").unwrap();
        let then = SystemTime::from(zot_core::ambient::now()) - Duration::from_mins(minutes);
        std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(then).unwrap();
    };
    make("preflight-old", 90);
    make("preflight-young", 30);
    make("notes", 90);
    store.preflight().await.unwrap();
    let name = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name().into_string().unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(name).collect();
    left.sort();
    assert_eq!(left, ["notes", "preflight-young"]);
    let listed: Vec<_> = list(&store, None).await.into_iter().map(|stored| stored.path).collect();
    assert_eq!(listed, ["id/notes"], "what others try at their start is nobody's garbage");
}

/// A folder in which not even root may make a file.
#[tokio::test]
async fn a_folder_without_the_right_to_write_is_named() {
    let store = BlobStore::open(&Backend::Local("/sys/kernel".into()), "id").unwrap();
    let error = store.preflight().await.unwrap_err();
    assert!(matches!(error.step, Step::Write) && error.denied, "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("storage.rootDirectory: the user of this process may not write to /sys/kernel: "),
        "{text}"
    );
}

#[tokio::test]
async fn a_disk_that_fails_is_named_with_its_reason() {
    let place = place::disk().await;
    let store = place.store("id");
    std::fs::write(place.directory.as_ref().unwrap().path().join("id"), "a file, not a folder").unwrap();
    let error = store.preflight().await.unwrap_err();
    let text = error.to_string();
    assert!(!error.denied && text.contains("cannot write to") && text.contains("(os error"), "{text}");
}
