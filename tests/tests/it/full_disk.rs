//! A full disk: writes are refused before the disk reserve is used. So reads, deletes and garbage collection still work, and
//! free space.

use std::path::{Path, PathBuf};
use std::process::Command;

use zot_tests::backend::{Backend, Storage};
use zot_tests::client::{Client, digest};
use zot_tests::server::Setup;

/// A file system of that size, in the place of a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount.
    fn in_place_of(folder: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|ended| ended.status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // it goes with the machine at the latest
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn blob(number: u8) -> Vec<u8> {
    vec![number; 4 * 1024 * 1024]
}

async fn refused(client: &Client, path: &str, body: Vec<u8>) -> bool {
    let response = client.request(reqwest::Method::PUT, path).body(body).send().await.expect("a response");
    assert!(matches!(response.status().as_u16(), 200 | 503), "{response:?}");
    response.status() == 503
}

/// Deletes everything in a bucket by its newest keys.
async fn empty(client: &Client, bucket: &str, keys: usize) {
    for number in 0..keys {
        let request = client.request(reqwest::Method::DELETE, &format!("/s3/{bucket}/{number}"));
        assert_eq!(request.send().await.expect("a response").status(), 204, "deleting makes room");
    }
}

async fn collect(setup: &Setup, storage: &Storage) {
    for _ in 0..3 {
        storage.pass_hours(30).await;
        let ended = setup.run(&["gc"]).await;
        assert!(ended.success, "{ended:?}");
    }
}

#[tokio::test]
async fn a_full_disk_can_be_read_and_emptied() {
    let storage: Storage = Backend::SqliteDisk.fresh().await;
    let Some(disk) = SmallDisk::in_place_of(storage.root()) else {
        println!("left out: only root may mount a small disk");
        return;
    };
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    let client = server.client();
    let mut pushed = Vec::new();
    let refused = loop {
        let bytes = blob(u8::try_from(pushed.len()).expect("the disk is small"));
        let location = client.begin_upload("team/app").await;
        let reply = client.finish_upload(&location, &digest(&bytes), bytes.clone()).await;
        if reply.status != 201 {
            break reply;
        }
        pushed.push(digest(&bytes));
    };
    refused.expect_error(503, "UNAVAILABLE");
    assert!(pushed.len() > 5, "{}", pushed.len());
    let health = client.get("/health").await.expect_status(200).json();
    assert!(health["warnings"].to_string().contains("nearly full"), "{health:#}");
    client.get("/health/ready").await.expect_status(200);
    for digest in &pushed {
        client.get_blob("team/app", digest).await.expect_status(200);
    }
    drop(server);
    let server = setup.start().await;
    collect(&setup, &storage).await;
    server.client().push_blob("team/app", blob(1)).await;
    drop(server);
    drop(disk);
}

/// Small objects are rows: their pages go back to the disk.
#[tokio::test]
async fn a_disk_full_of_rows_can_be_emptied() {
    let storage: Storage = Backend::SqliteDisk.fresh().await;
    let Some(disk) = SmallDisk::in_place_of(storage.root()) else {
        println!("left out: only root may mount a small disk");
        return;
    };
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    let client = server.client();
    assert!(!refused(&client, "/s3/team", Vec::new()).await);
    let body = |number: usize| format!("{number:08}").into_bytes().repeat(2000);
    let mut count = 0;
    while !refused(&client, &format!("/s3/team/{count}"), body(count)).await {
        count += 1;
    }
    assert!(count > 500, "{count}");
    // what is no content takes no room for ever either
    let mut more = 0;
    while !refused(&client, &format!("/s3/more{more}"), Vec::new()).await {
        more += 1;
        assert!(more < 20_000, "buckets are made without end");
    }
    empty(&client, "team", count).await;
    collect(&setup, &storage).await;
    for number in 0..count / 2 {
        assert!(!refused(&client, &format!("/s3/team/{number}"), body(number)).await, "{number} of {count}");
    }
    drop(server);
    drop(disk);
}

/// Each of many writers sees the same room, and only some may take it.
#[tokio::test]
async fn many_writers_do_not_take_what_each_of_them_sees() {
    let storage: Storage = Backend::SqliteDisk.fresh().await;
    let Some(disk) = SmallDisk::in_place_of(storage.root()) else {
        println!("left out: only root may mount a small disk");
        return;
    };
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    assert!(!refused(&server.client(), "/s3/team", Vec::new()).await);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..150_usize {
        let client = server.client();
        writers.spawn(async move {
            let body = format!("{number:08}").into_bytes().repeat(120_000);
            (number, refused(&client, &format!("/s3/team/{number}"), body).await)
        });
    }
    let outcomes = writers.join_all().await;
    let put: Vec<_> = outcomes.iter().filter(|(_, refused)| !refused).map(|(number, _)| *number).collect();
    assert!(!put.is_empty() && put.len() < 100, "{}", put.len());
    for number in put {
        let request = server.client().request(reqwest::Method::DELETE, &format!("/s3/team/{number}"));
        assert_eq!(request.send().await.expect("a response").status(), 204, "deleting makes room");
    }
    collect(&setup, &storage).await;
    assert!(!refused(&server.client(), "/s3/team/again", vec![1; 1_000_000]).await);
    drop(server);
    drop(disk);
}
