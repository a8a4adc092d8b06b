//! Work that clients do, and a round of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::http::Connection;
use crate::stats::percentile;
use crate::target::Target;

/// One kind of operation.
#[async_trait]
pub(crate) trait Work: Send + Sync {
    /// Creates the data that the operations need.
    async fn prepare(&self, _target: &Arc<Target>) -> Result<()> {
        Ok(())
    }

    /// Does one operation and checks its answers. No two operations on one server have the same `turn`. Returns how many
    /// bytes of content were moved.
    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64>;

    /// Checks the result of this turn's operation, outside the measured time.
    async fn check(&self, _target: &Target, _connection: &mut Connection, _turn: u64) -> Result<()> {
        Ok(())
    }
}

/// The end of a round. Clients begin no operation after that time or number. They finish operations in progress.
/// Each client does one at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub time: Duration,
    /// Operations of all clients together.
    pub operations: u64,
}

impl Limit {
    /// That many operations, however long they take.
    pub(crate) fn operations(operations: u64) -> Self {
        Self { time: Duration::MAX, operations }
    }
}

/// The results of a round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub operations: u64,
    /// Content moved, in bytes.
    pub bytes: u64,
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Median time of an operation, in milliseconds.
    pub p50: f64,
    /// The time that 99 of 100 operations took at most, in milliseconds.
    pub p99: f64,
    /// Turn of an operation that was done.
    pub turn: u64,
}

/// The state that the clients of a round share.
struct Shared {
    work: Arc<dyn Work>,
    target: Arc<Target>,
    turns: Arc<AtomicU64>,
    left: AtomicI64,
    begun: Instant,
    time: Duration,
}

/// The results of one client.
struct Done {
    times: Vec<f64>,
    bytes: u64,
    turn: u64,
    ended: Instant,
}

/// Runs that many clients concurrently. Each opens its connection before the clock starts.
///
/// # Errors
/// The first error that a client meets ends the run.
pub(crate) async fn round(
    work: &Arc<dyn Work>,
    target: &Arc<Target>,
    turns: &Arc<AtomicU64>,
    clients: usize,
    limit: Limit,
) -> Result<Round> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(target.connect().await?);
    }
    let shared = Arc::new(Shared {
        work: Arc::clone(work),
        target: Arc::clone(target),
        turns: Arc::clone(turns),
        left: AtomicI64::new(limit.operations.try_into().unwrap_or(i64::MAX)),
        begun: Instant::now(),
        time: limit.time,
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn(client(Arc::clone(&shared), connection));
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done.map_err(|error| Error::Setup(format!("a client: {error}")))??);
    }
    let mut times: Vec<_> = all.iter().flat_map(|done| &done.times).copied().collect();
    times.sort_by(f64::total_cmp);
    let ended = all.iter().map(|done| done.ended).max().unwrap_or(shared.begun);
    Ok(Round {
        operations: times.len() as u64,
        bytes: all.iter().map(|done| done.bytes).sum(),
        seconds: (ended - shared.begun).as_secs_f64(),
        p50: percentile(&times, 0.5),
        p99: percentile(&times, 0.99),
        turn: all.last().map_or(0, |done| done.turn),
    })
}

async fn client(shared: Arc<Shared>, mut connection: Connection) -> Result<Done> {
    let mut done = Done { times: Vec::new(), bytes: 0, turn: 0, ended: shared.begun };
    while shared.left.fetch_sub(1, Ordering::Relaxed) > 0 {
        let began = Instant::now();
        if !done.times.is_empty() && began - shared.begun >= shared.time {
            break;
        }
        done.turn = shared.turns.fetch_add(1, Ordering::Relaxed);
        done.bytes += shared.work.run(&shared.target, &mut connection, done.turn).await?;
        done.ended = Instant::now();
        done.times.push((done.ended - began).as_secs_f64() * 1000.0);
    }
    Ok(done)
}

/// Does the first turns of some work, concurrently, to fill a server.
///
/// # Errors
/// The first error that a client meets.
pub(crate) async fn fill(work: impl Work + 'static, target: &Arc<Target>, operations: u64) -> Result<()> {
    let clients = operations.min(32) as usize;
    let work: Arc<dyn Work> = Arc::new(work);
    let done = round(&work, target, &Arc::default(), clients, Limit::operations(operations)).await?;
    work.check(target, &mut target.connect().await?, done.turn).await
}
