//! `fsck` finds each kind of damage, explains it, and repairs what can be repaired.

use serde_json::Value;
use zot_tests::backend::{Backend, Storage};
use zot_tests::server::{Ended, Server, Setup};

crate::on_both_backends!(
    a_whole_store_has_no_findings,
    every_damage_is_found_and_a_push_heals_it,
    a_file_that_is_too_long_stays_in_quarantine,
    garbage_is_handed_to_garbage_collection,
    missing_bytes_hinder_an_adoption,
);

fn layer(fill: u8) -> Vec<u8> {
    vec![fill; 50_000]
}

async fn fsck(setup: &Setup, more: &[&str]) -> (bool, Value) {
    let ended: Ended = setup.run(&[&["fsck", "--json"], more].concat()).await;
    (ended.success, ended.json())
}

fn kinds(found: &Value) -> Vec<&str> {
    let findings = found["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["kind"].as_str().expect("a kind")).collect()
}

/// The file of the only segment of these bytes.
async fn file_of(storage: &Storage, digest: &str) -> String {
    let sql = format!("SELECT s.key FROM segment s JOIN blob_name n ON n.blob = s.blob WHERE n.digest = '{digest}'");
    storage.file_of(&storage.column(&sql).await.remove(0)).await
}

async fn a_whole_store_has_no_findings(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage);
    let early = setup.run(&["fsck"]).await;
    assert_eq!(early.code, Some(1), "there is no store yet: {early:?}");
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", layer(1)).await;
    let object = server.client().request(reqwest::Method::PUT, "/s3/team/object").body(layer(2));
    assert_eq!(object.send().await.expect("a response").status(), 200);
    let (success, found) = fsck(&setup, &["--verify", "all"]).await;
    assert!(success, "{found:#}");
    // layer, config, manifest, object
    assert_eq!((&found["blobs"], &found["verifiedBlobs"]), (&4.into(), &4.into()), "{found:#}");
    assert_eq!((&found["segments"], &found["storedBytes"]), (&2.into(), &100_000.into()), "{found:#}");
    assert_eq!(kinds(&found), [""; 0], "{found:#}");
    assert_eq!(fsck(&setup, &["--verify", "50%"]).await.1["verifiedBlobs"], 2);
    assert_eq!(fsck(&setup, &["--verify", "none"]).await.1["verifiedBlobs"], 0);
    let text = setup.run(&["fsck"]).await;
    assert!(text.stdout.contains("Nothing is damaged."), "{text:?}");
    assert_eq!(fsck(&setup, &[]).await.1["verifiedBlobs"], 1, "one in a hundred, and at least one");
}

/// Three images whose layers are lost, cut short and altered.
async fn damage(server: &Server, storage: &Storage) -> Vec<String> {
    let mut digests = Vec::new();
    for fill in 1..=3 {
        server.client().push_image("team/app", &format!("v{fill}"), layer(fill)).await;
        digests.push(zot_tests::client::digest(&layer(fill)));
    }
    storage.delete_file(&file_of(storage, &digests[0]).await).await;
    storage.put_file(&file_of(storage, &digests[1]).await, b"short").await;
    storage.put_file(&file_of(storage, &digests[2]).await, &layer(9)).await;
    digests
}

async fn every_damage_is_found_and_a_push_heals_it(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage);
    let server = setup.start().await;
    let digests = damage(&server, &storage).await;
    assert_eq!(setup.run(&["fsck", "--verify", "all"]).await.code, Some(3), "damage has an exit code of its own");
    let (success, found) = fsck(&setup, &["--verify", "all"]).await;
    let mut seen = kinds(&found);
    seen.sort_unstable();
    assert!(!success, "{found:#}");
    assert_eq!(seen, ["damaged", "missing", "wrong-size"], "{found:#}");
    for finding in found["findings"].as_array().expect("findings") {
        assert!(finding["explanation"].as_str().is_some_and(|text| text.contains("push it again")), "{finding}");
    }
    let text = setup.run(&["fsck", "--verify", "all"]).await.stdout;
    assert!(text.contains("used by team/app") && text.contains("The store is damaged."), "{text}");
    for finding in found["findings"].as_array().expect("findings") {
        let digest = finding["digest"].as_str().unwrap_or_default();
        assert!(digests.iter().any(|known| known == digest) && finding["usedBy"] == "team/app", "{finding}");
        assert!(finding["subject"].as_str().is_some_and(|text| text.contains(digest)), "{finding}");
    }

    let (success, repaired) = fsck(&setup, &["--verify", "all", "--repair"]).await;
    assert!(!success, "what answers as absent is not mended: {repaired:#}");
    assert!(repaired["findings"].as_array().expect("findings").iter().all(|it| it["outOfUse"] == true), "{repaired:#}");
    for digest in &digests {
        server.client().get_blob("team/app", digest).await.expect_error(404, "BLOB_UNKNOWN");
    }
    let (success, after) = fsck(&setup, &[]).await;
    assert_eq!((success, kinds(&after)), (false, vec!["quarantined"; 3]), "{after:#}");
    // one comes back from a backup of the storage, the others are pushed again
    storage.put_file(&file_of(&storage, &digests[0]).await, &layer(1)).await;
    let (_, restored) = fsck(&setup, &["--repair"]).await;
    let repaired = restored["findings"].as_array().expect("findings").iter().filter(|it| it["repaired"] == true);
    assert_eq!(repaired.count(), 1, "{restored:#}");
    for fill in 1..=3 {
        if fill > 1 {
            server.client().push_blob("team/app", layer(fill)).await;
        }
        let healed = server.client().get_blob("team/app", &digests[usize::from(fill) - 1]).await;
        assert_eq!(healed.expect_status(200).body, layer(fill));
    }
    let (success, healed) = fsck(&setup, &["--verify", "all"]).await;
    assert!(success, "{healed:#}");
}

/// All bytes of the blob are there and have its digest, and more bytes follow them.
async fn a_file_that_is_too_long_stays_in_quarantine(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage);
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", layer(1)).await;
    let file = file_of(&storage, &zot_tests::client::digest(&layer(1))).await;
    storage.put_file(&file, &[layer(1), vec![1]].concat()).await;
    for expected in ["wrong-size", "quarantined", "quarantined"] {
        let (success, found) = fsck(&setup, &["--repair"]).await;
        assert!(!success && kinds(&found).contains(&expected), "{expected}: {found:#}");
        assert!(found["findings"].as_array().expect("findings").iter().all(|it| it["repaired"] == false), "{found:#}");
    }
    storage.put_file(&file, &layer(1)).await;
    assert!(fsck(&setup, &["--repair"]).await.1["findings"][0]["repaired"] == true);
    assert!(fsck(&setup, &["--verify", "all"]).await.0, "the file is as it was written");
}

async fn garbage_is_handed_to_garbage_collection(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    server.client().push_blob("team/app", layer(1)).await;
    storage.execute("DELETE FROM gc_candidate").await;
    let orphan = storage.file_of("0190aaaaaaaa7000800000000000ab42").await;
    storage.put_file(&orphan, b"orphan").await;
    let (success, found) = fsck(&setup, &["--orphan-age", "0", "--repair"]).await;
    assert!(success, "garbage is no damage: {found:#}");
    assert_eq!(kinds(&found), ["leaked", "orphan"].into_iter().collect::<Vec<_>>(), "{found:#}");
    assert!(found["findings"].as_array().expect("findings").iter().all(|it| it["repaired"] == true), "{found:#}");
    for _ in 0..3 {
        storage.pass_hours(30).await;
        assert!(setup.run(&["gc"]).await.success);
    }
    assert_eq!(storage.files().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_database_whose_pages_are_damaged_is_not_believed() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    for tag in 0..20 {
        server.client().push_image("team/app", &format!("v{tag}"), layer(tag)).await;
    }
    drop(server);
    let page: usize = storage
        .number("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_repository_1'")
        .await
        .try_into()
        .expect("a page");
    let file = storage.root().join("metadata.db");
    storage.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = std::fs::read(&file).expect("the database");
    bytes[(page - 1) * 4096..page * 4096].fill(0);
    std::fs::write(&file, bytes).expect("damaging it");
    let (success, found) = fsck(&setup, &["--repair"]).await;
    assert!(!success && kinds(&found).iter().all(|kind| *kind == "database"), "{found:#}");
    assert!(!kinds(&found).is_empty(), "{found:#}");
}

/// Rights or the disk are at fault, and the rest is looked at all the same.
#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    let digests = damage(&server, &storage).await;
    // a link to itself cannot be read by root either
    let file = storage.root().join("blobs").join(file_of(&storage, &digests[1]).await);
    std::fs::remove_file(&file).expect("removing it");
    std::os::unix::fs::symlink(&file, &file).expect("a link");
    for arguments in [&["--verify", "all"][..], &["--verify", "all", "--repair"]] {
        let (success, found) = fsck(&setup, arguments).await;
        let mut seen = kinds(&found);
        seen.sort_unstable();
        assert!(!success && seen.contains(&"damaged") && seen.contains(&"missing"), "{found:#}");
        let named = |it: &Value| it["digest"] == digests[1] && it["outOfUse"] == false;
        assert!(found["findings"].as_array().expect("findings").iter().any(named), "{found:#}");
        if arguments.len() > 2 {
            break;
        }
    }
}

async fn missing_bytes_hinder_an_adoption(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage);
    let server = setup.start().await;
    damage(&server, &storage).await;
    drop(server);
    let refused = setup.run(&["adopt"]).await;
    assert!(!refused.success && refused.stderr.contains("--accept-losses"), "{refused:?}");
    let accepted = setup.run(&["adopt", "--accept-losses"]).await;
    assert!(accepted.success, "{accepted:?}");
    assert!(!setup.run(&["fsck", "--verify", "all", "--repair"]).await.success);
    assert!(setup.run(&["adopt"]).await.success, "what is known to be lost hinders nothing");
}
