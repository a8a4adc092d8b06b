//! Foreground load at a fixed rate on a running server, to see latencies while something else runs.
//!
//! Operations begin by the clock, not after earlier ones. Latency counts from the time when they were due. So a stalled
//! server does not slow down the load.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::args::Load;
use crate::content::{Content, mix};
use crate::error::{Error, Result};
use crate::http::Connection;
use crate::rows::manifests::{Image, PullImage, PushImage};
use crate::rows::objects::{Get, Put};
use crate::stats::percentile;
use crate::target::{AccessKey, Target};
use crate::work::Work;

const KIB: usize = 1024;
const OBJECT: usize = 64 * KIB;
/// Configuration and layer of an image.
const IMAGE: [usize; 2] = [2 * KIB, 256 * KIB];
/// Objects and images that are read.
const OBJECTS: u64 = 200;
const IMAGES: u64 = 20;
/// Errors that are printed word for word.
const SHOWN: usize = 5;

/// The operations, and the share of each in percent.
struct Kind {
    name: &'static str,
    share: u64,
    work: Arc<dyn Work>,
}

/// The state that the clients share.
struct Shared {
    kinds: Vec<Kind>,
    target: Arc<Target>,
    /// The operation that is begun next, and how many there are.
    next: AtomicU64,
    total: u64,
    /// From one operation to the next.
    pause: Duration,
    begun: Instant,
    first_turn: u64,
}

/// The results of one client.
#[derive(Default)]
struct Seen {
    times: BTreeMap<&'static str, Vec<f64>>,
    errors: Vec<(&'static str, String)>,
}

/// Puts the load on the server. Returns its report, and whether all operations succeeded.
///
/// # Errors
/// If the objects and images cannot be created first.
pub(crate) async fn run(load: &Load) -> Result<(Value, bool)> {
    let target = Arc::new(target(load)?);
    let kinds = prepare(&target).await?;
    let shared = Arc::new(Shared {
        kinds,
        target,
        next: AtomicU64::new(0),
        total: u64::from(load.rate) * load.seconds,
        pause: Duration::from_secs(1) / load.rate.max(1),
        begun: Instant::now(),
        first_turn: first_turn(),
    });
    let mut clients = JoinSet::new();
    for _ in 0..load.clients {
        clients.spawn(client(Arc::clone(&shared)));
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        let seen = seen.map_err(|error| Error::Setup(format!("a client: {error}")))?;
        seen.times.into_iter().for_each(|(name, times)| all.times.entry(name).or_default().extend(times));
        all.errors.extend(seen.errors);
    }
    let well = all.errors.is_empty();
    Ok((report(load, &all, shared.begun.elapsed()), well))
}

/// Consecutive runs use other contents: there is room for 4096 operations a second.
fn first_turn() -> u64 {
    let seconds = u64::try_from(zot_core::ambient::now().as_second()).unwrap_or_default();
    (seconds % (1 << 19)) << 12
}

fn target(load: &Load) -> Result<Target> {
    let wrong = || Error::Setup(format!("--server {}: not like http://127.0.0.1:8080", load.server));
    let address = load.server.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    let address = address.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)?;
    let key = load.access_key.clone().zip(load.secret_key.clone()).map(|(id, secret)| AccessKey { id, secret });
    let content = Arc::new(Content::new(OBJECT.max(IMAGE[1])));
    Ok(Target::new(address, "/s3", key.as_ref(), content))
}

/// Creates the objects and images that are read, and returns the operations.
async fn prepare(target: &Arc<Target>) -> Result<Vec<Kind>> {
    let put = Put { folder: "load-put", size: OBJECT, signed: false };
    let get = Get { of: Put { folder: "load-get", ..put }, count: OBJECTS };
    let image = |series| Image { series, number: 0, blobs: IMAGE.to_vec() };
    get.prepare(target).await?;
    let pull = PullImage { image: image(900), count: IMAGES };
    pull.prepare(target).await?;
    Ok(vec![
        Kind { name: "get", share: 35, work: Arc::new(get) },
        Kind { name: "put", share: 15, work: Arc::new(put) },
        Kind { name: "pull", share: 35, work: Arc::new(pull) },
        Kind { name: "push", share: 15, work: Arc::new(PushImage(image(901))) },
    ])
}

async fn client(shared: Arc<Shared>) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.total {
            return seen;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2⁵²")]
        let due = shared.begun + shared.pause.mul_f64(index as f64);
        sleep_until(due).await;
        let kind = chosen(&shared.kinds, mix(index) % 100);
        match attempt(&shared.target, kind, &mut connection, shared.first_turn + index).await {
            Ok(()) => seen.times.entry(kind.name).or_default().push(due.elapsed().as_secs_f64() * 1000.0),
            Err(error) => {
                connection = None; // it may be in the middle of an answer
                seen.errors.push((kind.name, error.to_string()));
            }
        }
    }
}

async fn attempt(target: &Target, kind: &Kind, open: &mut Option<Connection>, turn: u64) -> Result<()> {
    let connection = match open {
        Some(connection) => connection,
        none => none.insert(target.connect().await?),
    };
    kind.work.run(target, connection, turn).await.map(drop)
}

/// The kind of operation at this place, 0 to 99, by the kinds' shares.
fn chosen(kinds: &[Kind], place: u64) -> &Kind {
    let mut end = 0;
    let found = kinds.iter().find(|kind| {
        end += kind.share;
        place < end
    });
    found.unwrap_or(&kinds[0])
}

fn report(load: &Load, all: &Seen, took: Duration) -> Value {
    let mut operations = serde_json::Map::new();
    for (name, times) in &all.times {
        let mut times = times.clone();
        times.sort_by(f64::total_cmp);
        let errors = all.errors.iter().filter(|(of, _)| of == name).count();
        let figures = json!({
            "done": times.len(),
            "errors": errors,
            "p50_ms": percentile(&times, 0.5),
            "p99_ms": percentile(&times, 0.99),
            "max_ms": times.last(),
        });
        operations.insert((*name).to_owned(), figures);
    }
    let errors: Vec<_> = all.errors.iter().take(SHOWN).map(|(name, error)| format!("{name}: {error}")).collect();
    json!({
        "server": load.server,
        "rate": load.rate,
        "clients": load.clients,
        "seconds": took.as_secs_f64(),
        "operations": operations,
        "errors": all.errors.len(),
        "firstErrors": errors,
    })
}
