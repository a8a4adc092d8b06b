//! Garbage collection of a real server deletes everything unreferenced, and nothing else, during requests.

use std::time::{Duration, Instant};

use serde_json::Value;
use zot_tests::DEADLINE;
use zot_tests::backend::{Backend, Storage};
use zot_tests::server::{Server, Setup};

crate::on_both_backends!(
    a_server_frees_what_nothing_needs,
    a_command_does_it_at_once_and_says_so,
    forgotten_uploads_are_swept,
    a_backup_holds_deletion_up,
    health_says_why_nothing_is_deleted,
    a_restored_database_deletes_nothing_until_it_adopts,
    a_life_that_was_begun_is_entered,
    a_marker_that_was_lost_is_made_anew,
    a_store_that_nobody_may_change_does_not_change,
    a_server_that_stops_gives_its_leases_back,
);

/// More than fits inline.
fn layer(fill: u8) -> Vec<u8> {
    vec![fill; 50_000]
}

async fn report(setup: &Setup, arguments: &[&str]) -> Value {
    let ended = setup.run(arguments).await;
    assert!(ended.success, "{ended:?}");
    ended.json()
}

async fn collect(setup: &Setup) -> Value {
    report(setup, &["gc", "--json"]).await
}

async fn assert_clean(setup: &Setup) {
    let found = report(setup, &["fsck", "--verify", "all", "--json"]).await;
    assert_eq!(found["findings"], serde_json::json!([]), "{found:#}");
}

/// Collects until memberships, blobs and bytes are gone, each after its own time.
async fn collect_all(setup: &Setup, storage: &Storage) {
    for _ in 0..3 {
        storage.pass_hours(30).await;
        collect(setup).await;
    }
}

/// An image that stays, and garbage of every kind.
async fn litter(server: &Server) -> String {
    let client = server.client();
    let kept = client.push_image("team/app", "v1", layer(1)).await;
    let deleted = client.push_image("team/app", "v2", layer(2)).await;
    client.delete(&format!("/v2/team/app/manifests/{deleted}")).await.expect_status(202);
    client.push_blob("team/app", layer(3)).await;
    let s3 = |method, key: &str, body: Vec<u8>| client.request(method, &format!("/s3/team/{key}")).body(body).send();
    assert_eq!(s3(reqwest::Method::PUT, "object", layer(4)).await.expect("a response").status(), 200);
    assert_eq!(s3(reqwest::Method::PUT, "object", layer(5)).await.expect("a response").status(), 200);
    assert_eq!(s3(reqwest::Method::PUT, "gone", layer(6)).await.expect("a response").status(), 200);
    assert_eq!(s3(reqwest::Method::DELETE, "gone", Vec::new()).await.expect("a response").status(), 204);
    let session = client.begin_upload("team/app").await;
    client.append_upload(&session, 0, vec![7; 6_000_000]).await.expect_status(202);
    kept
}

async fn assert_whole(server: &Server, kept: &str) {
    let client = server.client();
    let manifest = client.get_manifest("team/app", "v1").await.expect_status(200);
    assert_eq!(manifest.header("docker-content-digest"), kept);
    let digest = manifest.json()["layers"][0]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(client.get_blob("team/app", &digest).await.expect_status(200).body, layer(1));
    assert_eq!(client.get("/s3/team/object").await.expect_status(200).body, layer(5));
}

async fn metric_of(server: &Server, name: &str) -> u64 {
    let metrics = server.client().get("/metrics").await.expect_status(200);
    let text = String::from_utf8_lossy(&metrics.body);
    text.lines().find_map(|line| line.strip_prefix(name)).and_then(|value| value.parse().ok()).unwrap_or(0)
}

async fn a_server_frees_what_nothing_needs(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gcInterval", "1s");
    let server = setup.start().await;
    let kept = litter(&server).await;
    let began = Instant::now();
    while storage.files().await.len() > 2 {
        assert!(began.elapsed() < DEADLINE, "{:?}\n{}", storage.files().await, server.output());
        storage.pass_hours(30).await;
        assert_whole(&server, &kept).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    assert_whole(&server, &kept).await;
    for (metric, least) in [
        ("gc_freed_bytes_total ", 6_000_000 + 4 * 50_000),
        ("gc_removed_total{kind=\"upload\"} ", 1),
        ("gc_removed_total{kind=\"membership\"} ", 2),
        ("gc_removed_total{kind=\"blob\"} ", 4),
        ("gc_runs_total{status=\"success\"} ", 1),
    ] {
        // a run is counted when it ends, and the last one may still be at work
        while metric_of(&server, metric).await < least {
            assert!(began.elapsed() < DEADLINE, "{metric}\n{}", server.output());
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
    assert_eq!(metric_of(&server, "gc_conflicts_total ").await, 0);
    drop(server);
    assert_clean(&setup).await;
}

async fn a_command_does_it_at_once_and_says_so(backend: Backend) {
    let storage = backend.fresh().await;
    // the server leaves it to the command, and the times are longer than the shortest ones
    let setup = Setup::on(&storage).set("storage.gc", false);
    let patient = setup.clone().set("storage.gcDelay", "48h").set("storage.gcDeleteDelay", "720h");
    let server = setup.start().await;
    let kept = litter(&server).await;
    assert_eq!(collect(&setup).await["memberships"], 0, "the grace period is not over");
    storage.pass_hours(30).await;
    let done = collect(&patient).await;
    assert_eq!((&done["uploads"], &done["memberships"]), (&1.into(), &0.into()), "a longer one is not: {done:#}");
    let forecast = report(&setup, &["gc", "--dry-run", "--json"]).await;
    // two layers, a manifest's own bytes, and `{}`, which needs no row
    assert_eq!((&forecast["memberships"], &forecast["blobs"]), (&4.into(), &2.into()), "{forecast:#}");
    let files = storage.files().await.len();
    let done = collect(&setup).await;
    assert_eq!((&done["memberships"], &done["blobs"]), (&4.into(), &2.into()), "{done:#}");
    storage.pass_hours(30).await;
    let done = collect(&patient).await;
    assert_eq!((&done["blobs"], &done["freedBytes"]), (&0.into(), &0.into()), "{done:#}");
    assert_eq!(storage.files().await.len(), files, "bytes wait for gcDeleteDelay");
    collect_all(&setup, &storage).await;
    assert_eq!(storage.files().await.len(), 2);
    assert_whole(&server, &kept).await;
    assert_clean(&setup).await;
    let text = setup.run(&["gc"]).await;
    assert!(text.success && text.stdout.contains("bytes deleted"), "{text:?}");
}

async fn forgotten_uploads_are_swept(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage);
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", layer(1)).await;
    let forgotten = storage.file_of("0190aaaaaaaa7000800000000000ab42").await;
    let foreign = storage.file_of("not-a-segment").await;
    for path in [&forgotten, &foreign] {
        storage.put_file(path, b"bytes that no row names").await;
    }
    assert_eq!(collect(&setup).await["orphans"], 0, "it may belong to an upload that is under way");
    let young = report(&setup, &["fsck", "--json"]).await;
    assert_eq!((&young["youngSegments"], &young["findings"][0]["kind"]), (&1.into(), &"foreign".into()), "{young:#}");
    let swept = report(&setup, &["gc", "--orphan-age", "0", "--json"]).await;
    assert_eq!((&swept["orphans"], &swept["freedBytes"]), (&1.into(), &0.into()), "{swept:#}");
    storage.pass_hours(30).await;
    assert_eq!(collect(&setup).await["freedBytes"], 23);
    let files = storage.files().await;
    assert!(!files.contains(&forgotten) && files.contains(&foreign), "{files:?}");
    // bytes that come back after their row said that they are gone
    storage.put_file(&forgotten, b"bytes that no row names").await;
    assert_eq!(report(&setup, &["gc", "--orphan-age", "0", "--json"]).await["orphans"], 1);
    storage.pass_hours(30).await;
    assert_eq!(collect(&setup).await["freedBytes"], 23);
}

async fn a_backup_holds_deletion_up(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    server.client().push_blob("team/app", layer(1)).await;
    let held = setup.run(&["hold", "--for", "1h"]).await;
    assert!(held.success && held.stdout.contains("--release"), "{held:?}");
    for _ in 0..3 {
        storage.pass_hours(30).await;
        let ended = setup.run(&["gc", "--json"]).await;
        assert!(!ended.success && ended.stdout.contains("hold --id backup --release"), "{ended:?}");
    }
    assert_eq!(storage.files().await.len(), 1, "rows go, bytes stay");
    let second = setup.run(&["hold", "--for", "1m"]).await;
    assert!(!second.success && second.stderr.contains("another --id"), "a second backup: {second:?}");
    assert!(setup.run(&["hold", "--for", "2h", "--renew"]).await.success);
    for id in ["--release", "", "a b", &"x".repeat(200)] {
        assert!(!setup.run(&["hold", &format!("--id={id}")]).await.success, "{id}");
    }
    let listed = setup.run(&["hold", "--list"]).await;
    assert!(listed.success && listed.stdout.starts_with("backup until 2"), "{listed:?}");
    let unknown = setup.run(&["hold", "--release", "--id", "other"]).await;
    assert!(!unknown.success && unknown.stderr.contains("hold --list"), "{unknown:?}");
    assert!(setup.run(&["hold", "--release"]).await.success);
    assert!(setup.run(&["hold", "--list"]).await.stdout.contains("There are no holds"));
    collect(&setup).await;
    assert_eq!(storage.files().await.len(), 0);
}

async fn health_says_why_nothing_is_deleted(backend: Backend) {
    let storage = backend.fresh().await;
    // not only with the next run
    let setup = Setup::on(&storage).set("storage.gcInterval", "24h");
    let mut servers = vec![setup.start().await];
    if backend == Backend::PostgresS3 {
        // only one of them collects
        servers.push(setup.start().await);
    }
    assert!(setup.run(&["hold"]).await.success);
    for server in &servers {
        wait_for_warning(server, true).await;
    }
    assert!(setup.run(&["hold", "--release"]).await.success);
    for server in &servers {
        wait_for_warning(server, false).await;
    }
}

async fn wait_for_warning(server: &Server, expected: bool) {
    let begun = Instant::now();
    loop {
        let health = server.client().get("/health").await.expect_status(200).json();
        let warned = health["warnings"].to_string().contains("hold --id backup --release");
        if warned == expected {
            assert_eq!(health["status"], if expected { "degraded" } else { "healthy" }, "{health:#}");
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{health:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn a_restored_database_deletes_nothing_until_it_adopts(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    server.client().push_blob("team/app", layer(1)).await;
    let dumped = storage.column("SELECT incarnation FROM store_info").await.remove(0);
    collect(&setup).await;
    drop(server);
    // what a dump from before that run says, restored beside the original or in its place; and what a copy of now says,
    // which knows the same life and is somewhere else
    for (round, state) in [format!("incarnation = '{dumped}'"), "home = 'elsewhere'".to_owned()].iter().enumerate() {
        if round > 0 {
            assert!(setup.run(&["adopt"]).await.success);
        }
        storage.execute(&format!("UPDATE store_info SET {state}, next_incarnation = NULL")).await;
        storage.pass_hours(30).await;
        let ended = setup.run(&["gc", "--json"]).await;
        assert!(!ended.success && ended.stdout.contains("zot-artifact-store adopt"), "{ended:?}");
    }
    let repair = setup.run(&["fsck", "--repair"]).await;
    assert!(!repair.success && repair.stderr.contains("zot-artifact-store adopt"), "{repair:?}");
    assert_eq!(storage.files().await.len(), 1);
    let restarted = setup.start().await;
    let health = restarted.client().get("/health/ready").await;
    health.expect_status(200);
    assert!(restarted.log().contains("nothing is deleted from blob storage"), "{}", restarted.output());
    drop(restarted);
    let adopted = setup.run(&["adopt"]).await;
    assert!(adopted.success, "{adopted:?}");
    assert!(setup.run(&["fsck", "--repair"]).await.success);
    storage.pass_hours(30).await;
    collect(&setup).await;
    assert_eq!(storage.files().await.len(), 0);
    assert_clean(&setup).await;
}

/// A process that died between the database and the marker must not lock its own store out.
async fn a_life_that_was_begun_is_entered(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    drop(setup.start().await);
    storage.execute("UPDATE store_info SET next_incarnation = 'a-life-that-was-begun'").await;
    assert_eq!(collect(&setup).await["withheld"], Value::Null);
    let incarnation = storage.column("SELECT incarnation FROM store_info").await.remove(0);
    assert_eq!(incarnation, "a-life-that-was-begun", "whoever goes on comes to the same");
    assert_eq!(collect(&setup).await["withheld"], Value::Null);
}

async fn a_marker_that_was_lost_is_made_anew(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    server.client().push_image("team/app", "v1", layer(1)).await;
    drop(server);
    let id = storage.column("SELECT store_id FROM store_info").await.remove(0);
    storage.delete_file(&format!("{id}/marker")).await;
    assert!(setup.start_refused().await.contains("zot-artifact-store adopt"));
    let found = report(&setup, &["fsck", "--json"]).await;
    assert_eq!(found["findings"][0]["kind"], "not-owned", "{found:#}");
    let adopted = setup.run(&["adopt"]).await;
    assert!(adopted.success, "{adopted:?}");
    drop(setup.start().await);
    assert_eq!(collect(&setup).await["withheld"], Value::Null);
    assert_clean(&setup).await;
}

async fn a_store_that_nobody_may_change_does_not_change(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gcInterval", "1s");
    let server = setup.clone().set("storage.gc", false).start().await;
    litter(&server).await;
    drop(server);
    storage.pass_hours(30).await;
    let server = setup.clone().set("http.readOnly", true).start().await;
    // what would have been collected by then, and what would have been counted
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(metric_of(&server, "gc_runs_total{status=\"success\"} ").await, 0);
    assert_eq!(report(&setup, &["gc", "--dry-run", "--json"]).await["uploads"], 1);
}

/// One file that cannot be deleted, a candidate that is none, and names that are no text: the rest goes all the same.
#[tokio::test]
async fn what_is_odd_does_not_stop_the_rest() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    let server = setup.start().await;
    for fill in 1..=3 {
        server.client().push_blob("team/app", layer(fill)).await;
    }
    storage.execute("INSERT INTO gc_candidate (kind, id, due_at) VALUES ('blob', 'abc', 0)").await;
    for _ in 0..2 {
        storage.pass_hours(2).await;
        collect(&setup).await;
    }
    let files = storage.files().await;
    let blobs = storage.root().join("blobs");
    std::fs::remove_file(blobs.join(&files[0])).expect("a segment's file");
    std::fs::create_dir(blobs.join(&files[0])).expect("a folder in its place");
    let shard = blobs.join(&files[0]).parent().expect("a shard").to_owned();
    std::fs::write(shard.join("odd\nname"), "x").expect("an odd file");
    std::os::unix::fs::symlink("..", shard.join("loop")).expect("a link");
    let (found, text) = (report(&setup, &["fsck", "--json"]).await, setup.run(&["fsck"]).await.stdout);
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(2), "{found:#}");
    assert!(text.contains("odd\\u{a}name"), "{text}");
    storage.pass_hours(30).await;
    let done = report(&setup, &["gc", "--orphan-age", "0", "--json"]).await;
    let counts = (&done["segments"], &done["stuckSegments"], &done["conflicts"]);
    assert_eq!(counts, (&2.into(), &1.into(), &1.into()), "{done:#}");
    assert_eq!(collect(&setup).await["stuckSegments"], 0, "it waits for the whole delay again");
    // alone, too, and beside folders that nobody may read
    std::fs::write(shard.parent().expect("the store's folder").join("00x"), "x").expect("a file like a shard");
    std::fs::write(shard.parent().expect("the store's folder").join("zz"), "x").expect("a file like a shard");
    storage.pass_hours(30).await;
    storage.put_file(&storage.file_of("0190aaaaaaaa7000800000000000ab42").await, b"orphan").await;
    let alone = report(&setup, &["gc", "--orphan-age", "0", "--json"]).await;
    assert_eq!((&alone["stuckSegments"], &alone["orphans"]), (&1.into(), &1.into()), "{alone:#}");
}

/// A backup that begins while bytes are being deleted keeps what is left.
#[tokio::test]
async fn a_hold_ends_a_run_after_its_batch() {
    let storage = Backend::SqliteDisk.fresh().await;
    let setup = Setup::on(&storage).set("storage.gc", false);
    drop(setup.start().await);
    storage
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
             INSERT INTO segment (key, state, start, size, dead_at)
             SELECT printf('0190aaaaaaaa7000%016x', i), 'dead', 0, 1, 0 FROM n",
        )
        .await;
    let (run, ()) = tokio::join!(setup.run(&["gc", "--json"]), async {
        while storage.number("SELECT COUNT(*) FROM segment WHERE gone_at IS NULL").await == 30000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // what the command does, without the time that a process takes to start
        storage.execute("INSERT INTO gc_hold (id, until_at) VALUES ('backup', 9000000000000000)").await;
    });
    assert!(!run.success && run.json()["withheld"].as_str().is_some_and(|why| why.contains("backup")), "{run:?}");
    assert!(storage.number("SELECT COUNT(*) FROM segment WHERE gone_at IS NULL").await > 0, "it went on to the end");
}

/// Storage that is away for a moment is not damage.
#[tokio::test]
async fn digesting_waits_for_storage_that_is_away() {
    let storage = Backend::SqliteDisk.fresh().await;
    let server = Setup::on(&storage).start().await;
    let client = server.client();
    let send = |method, path: &str, body: Vec<u8>| client.request(method, &format!("/s3/team{path}")).body(body).send();
    assert_eq!(send(reqwest::Method::PUT, "", Vec::new()).await.expect("a response").status(), 200);
    let begun = send(reqwest::Method::POST, "/big?uploads", Vec::new()).await.expect("a response");
    let begun = begun.text().await.expect("text");
    let id = begun.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).expect("an id").to_owned();
    let part =
        send(reqwest::Method::PUT, &format!("/big?partNumber=1&uploadId={id}"), layer(1)).await.expect("a response");
    let etag = part.headers()["etag"].to_str().expect("text").to_owned();
    let store = storage.root().join("blobs").join(storage.column("SELECT store_id FROM store_info").await.remove(0));
    let away = storage.root().join("away");
    std::fs::rename(&store, &away).expect("moving the blobs away");
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done =
        send(reqwest::Method::POST, &format!("/big?uploadId={id}"), list.into_bytes()).await.expect("a response");
    assert_eq!(done.status(), 200);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(storage.column("SELECT state FROM blob").await, ["open"], "it was tried, and left alone");
    std::fs::rename(&away, &store).expect("moving them back");
    let artifact = client.get("/api/v1/artifacts/team/big").await.expect_status(200).json();
    assert_eq!(artifact["digest"], zot_tests::client::digest(&layer(1)));
}

async fn a_server_that_stops_gives_its_leases_back(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).set("storage.gcInterval", "1s");
    let mut server = setup.start().await;
    server.client().push_blob("team/app", layer(1)).await;
    let folded = "SELECT CAST(bytes AS TEXT) FROM usage_total";
    let begun = Instant::now();
    while storage.column(folded).await != ["50000"] {
        assert!(begun.elapsed() < DEADLINE, "{}", server.output());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let jobs = server.client().get("/health").await.expect_status(200).json()["jobs"].take();
    for job in ["audit_batches", "deletion_watch", "digests", "garbage_collection", "master_keys", "policies", "usage"]
    {
        assert_eq!(jobs[job]["outcome"], "success", "{job} in {jobs:#}");
    }
    let held = "SELECT name FROM lease WHERE until_at > 0 ORDER BY name";
    let names = storage.column(held).await;
    assert!(["audit", "seal", "usage"].iter().all(|lease| names.iter().any(|name| name == lease)), "{names:?}");
    server.terminate();
    assert!(server.ended().await.success());
    assert_eq!(storage.column(held).await, Vec::<String>::new());
}
