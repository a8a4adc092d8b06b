//! A disk that runs full: writes are refused before the last of it, so that what is there can be read, deleted and
//! collected, and then there is room again.

use std::path::{Path, PathBuf};
use std::process::Command;

use zot_tests::backend::{Backend, Storage};
use zot_tests::client::digest;
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
    // small things lie in the database, which would fill the disk as well
    let small = client.request(reqwest::Method::PUT, "/s3/team/small").body("x").send().await.expect("a response");
    assert_eq!(small.status(), 503);
    let health = client.get("/health").await.expect_status(200).json();
    assert!(health["warnings"].to_string().contains("nearly full"), "{health:#}");
    client.get("/health/ready").await.expect_status(200);
    for digest in &pushed {
        client.get_blob("team/app", digest).await.expect_status(200);
    }
    drop(server);
    let server = setup.start().await;
    for _ in 0..3 {
        storage.pass_hours(30).await;
        let ended = setup.run(&["gc"]).await;
        assert!(ended.success, "{ended:?}");
    }
    server.client().push_blob("team/app", blob(1)).await;
    drop(server);
    drop(disk);
}
