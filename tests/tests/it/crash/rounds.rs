//! Rounds of `kill -9` at random moments, during pushes, puts, deletes and garbage collection. Everything acknowledged is
//! there, byte for byte. `fsck` finds nothing. In the end storage has exactly what the database names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use zot_tests::backend::Storage;
use zot_tests::client::{Client, Reply, digest};
use zot_tests::server::{Server, Setup};

use super::model::Model;
use super::writer::{Writer, path_of};

/// Clients that write at the same time.
const WRITERS: usize = 4;
/// More than the server asks a chunk to have.
const CHUNK: usize = 6 * 1024 * 1024;

/// Runs so many rounds on this many replicas.
pub(crate) async fn rounds(storage: Storage, replicas: usize, count: usize) {
    let setup = Setup::on(&storage).set("storage.gcInterval", "1s");
    let mut servers = Vec::new();
    for _ in 0..replicas {
        servers.push(setup.start().await);
    }
    let bucket = servers[0].client().request(Method::PUT, "/s3/crash").send().await.expect("a response");
    assert_eq!(bucket.status(), 200);
    let mut models: Vec<Model> = (0..WRITERS).map(|_| Model::default()).collect();
    let mut chance = Chance::new();
    for round in 0..count {
        let victim = chance.below(replicas);
        let session = begin_chunked(&servers[victim].client(), round).await;
        models = one_round(&mut servers, &storage, &setup, models, &mut chance, (round, victim)).await;
        finish_chunked(&servers, &session, round).await;
        for model in &mut models {
            verify(model, &servers).await;
        }
        fsck(&setup, "none").await;
    }
    let mut all = Model::default();
    models.into_iter().for_each(|model| all.extend(model));
    println!("{count} crashes: {} writes acknowledged, {} without an answer", all.acknowledged, all.uncertain);
    assert!(all.acknowledged > count, "next to nothing was written");
    let deleted = wait_for_a_deletion(&storage).await;
    fsck(&setup, "all").await;
    let conflicts =
        servers.iter().map(|server| server.log().matches("GC candidate was referenced").count()).sum::<usize>();
    drop(servers);
    assert_nothing_is_left_over(&setup, &storage).await;
    let server = setup.start().await;
    verify(&mut all, std::slice::from_ref(&server)).await;
    println!("garbage collection deleted {deleted} segments meanwhile, and gave way {conflicts} times");
}

/// Writers at work and time passing, until a replica is killed at a random moment and a new one takes its place.
async fn one_round(
    servers: &mut [Server],
    storage: &Storage,
    setup: &Setup,
    models: Vec<Model>,
    chance: &mut Chance,
    (round, victim): (usize, usize),
) -> Vec<Model> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for (id, model) in models.into_iter().enumerate() {
        // each at a replica of its own, so that every one has work when it dies
        let client = servers[(id + round) % servers.len()].client();
        writers.spawn(Writer { client, id, model, step: round * 1000 + id * 3 }.run(Arc::clone(&stop)));
    }
    let moment = Duration::from_millis(200 + 13 * chance.below(80) as u64);
    let passing = async {
        loop {
            storage.pass_hours_for_what_is_old(30).await;
            sleep(Duration::from_millis(400)).await;
        }
    };
    tokio::select! {
        () = sleep(moment) => {}
        () = passing => {}
    }
    servers[victim].kill();
    sleep(Duration::from_millis(100)).await;
    stop.store(true, Ordering::Relaxed);
    let mut done = Vec::new();
    while let Some(writer) = writers.join_next().await {
        done.push(writer.expect("a writer does not panic"));
    }
    servers[victim] = setup.start().await;
    done.sort_by_key(|writer| writer.id);
    done.into_iter().map(|writer| writer.model).collect()
}

/// The segments that garbage collection deleted, at least one: a few short lives of a server may not have sufficed for
/// it, but the last one goes on.
async fn wait_for_a_deletion(storage: &Storage) -> i64 {
    let deadline = Instant::now() + Duration::from_mins(2);
    // that of a server that was killed may stand for as long
    storage.execute("DELETE FROM lease").await;
    loop {
        let deleted = storage.number("SELECT COUNT(*) FROM segment WHERE gone_at IS NOT NULL").await;
        if deleted > 0 {
            return deleted;
        }
        assert!(Instant::now() < deadline, "garbage collection was to be at work all the time");
        storage.pass_hours_for_what_is_old(30).await;
        sleep(Duration::from_millis(400)).await;
    }
}

/// An upload that is under way when its replica dies.
async fn begin_chunked(client: &Client, round: usize) -> String {
    let location = client.begin_upload("crash/chunked").await;
    client.append_upload(&location, 0, chunk(round)).await.expect_status(202);
    location
}

/// It goes on at another one, and every replica has it.
async fn finish_chunked(servers: &[Server], location: &str, round: usize) {
    let whole = [chunk(round), b"the end".to_vec()].concat();
    let digest = digest(&whole);
    let other = servers[(round + 1) % servers.len()].client();
    other.append_upload(location, CHUNK, b"the end".to_vec()).await.expect_status(202);
    other.finish_upload(location, &digest, Vec::new()).await.expect_status(201);
    for server in servers {
        assert_eq!(server.client().get_blob("crash/chunked", &digest).await.expect_status(200).body, whole);
    }
}

fn chunk(round: usize) -> Vec<u8> {
    format!("{round:08}").into_bytes().into_iter().cycle().take(CHUNK).collect()
}

/// Reads all that the model knows, each name from another replica, with the layers of images.
async fn verify(model: &mut Model, servers: &[Server]) {
    for (index, name) in model.names().into_iter().enumerate() {
        let client = servers[index % servers.len()].client();
        let reply = Reply::to(client.request(Method::GET, &path_of(&name))).await;
        assert!(matches!(reply.status.as_u16(), 200 | 404), "{reply}");
        let found = (reply.status == 200).then(|| digest(&reply.body));
        if let (Some(_), Some(layer)) = (&found, name.strip_prefix("image ").map(|_| reply.json())) {
            let repository = name.split(' ').nth(1).expect("a repository");
            let layer = layer["layers"][0]["digest"].as_str().expect("a digest").to_owned();
            assert_eq!(digest(&client.get_blob(repository, &layer).await.expect_status(200).body), layer, "{name}");
        }
        model.check(&name, found);
    }
}

async fn fsck(setup: &Setup, verify: &str) {
    let ended = setup.run(&["fsck", "--verify", verify, "--orphan-age", "1h", "--json"]).await;
    assert!(ended.success, "{ended:?}");
    let found = ended.json();
    assert_eq!(found["findings"], serde_json::json!([]), "{found:#}");
}

/// With all servers gone, everything that nobody needs goes; what is left is what the rows name.
async fn assert_nothing_is_left_over(setup: &Setup, storage: &Storage) {
    for _ in 0..4 {
        storage.pass_hours(24 * 8).await;
        // a lease of a server that was killed may stand for two minutes
        storage.execute("DELETE FROM lease").await;
        let ended = setup.run(&["gc", "--orphan-age", "0"]).await;
        assert!(ended.success, "{ended:?}");
    }
    let keys = storage.column("SELECT key FROM segment WHERE state <> 'dead' ORDER BY key").await;
    let mut files: Vec<_> =
        storage.files().await.iter().filter_map(|path| Some(path.rsplit_once('/')?.1.to_owned())).collect();
    // what a killed server had half written on a disk goes after two days by the file's own time
    files.retain(|name| !name.contains('#'));
    files.sort();
    assert_eq!(files, keys);
    assert_eq!(storage.number("SELECT COUNT(*) FROM gc_candidate").await, 0);
}

/// Small random numbers.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        println!("seed {seed}");
        Self(seed | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }
}
