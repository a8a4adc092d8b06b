//! The run: suite by suite, row by row, ours and the peer in turn.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::process::own_cpu_seconds;
use crate::rows::{Case, Suite, Unit};
use crate::servers::{Api, Place, Server, Side};
use crate::stats::median;
use crate::work::{Limit, Round, round};

/// Longest warm-up of a row, on each server.
const WARM_UP: Duration = Duration::from_millis(300);
/// The limit of operations in a warm-up.
const WARM_UP_OPERATIONS: u64 = 1000;

/// Figures of a row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub suite: &'static str,
    pub api: Api,
    pub name: String,
    /// By how many clients.
    pub clients: usize,
    /// Unit of the throughput.
    pub unit: Unit,
    pub aim: f64,
    /// Ours first, then the peer, then perhaps ours on Postgres.
    pub sides: Vec<Figures>,
}

/// The results of one server in a row: medians of its rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub server: Server,
    /// Throughput, in the row's unit a second.
    pub throughput: f64,
    /// The same of each round.
    pub rounds: Vec<f64>,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// CPU time of the server for an operation, in milliseconds.
    pub server_cpu_ms: f64,
    /// Share of the machine's CPUs that the generator used.
    pub generator_share: f64,
    /// Operations in all rounds.
    pub operations: u64,
}

/// The most memory that a server had resident in a suite, in bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub suite: &'static str,
    pub api: Api,
    pub server: Server,
    pub peak: u64,
}

impl Row {
    /// The results of that server, if it took part.
    pub(crate) fn of(&self, server: Server) -> Option<&Figures> {
        self.sides.iter().find(|side| side.server == server)
    }

    /// That server's throughput as a multiple of the peer's.
    pub(crate) fn ratio(&self, server: Server) -> Option<f64> {
        Some(self.of(server)?.throughput / self.of(self.api.peer())?.throughput)
    }
}

/// Runs those cases of a suite whose row's name is wanted. Nothing is started if there is none.
///
/// # Errors
/// The first wrong answer ends the run.
pub(crate) async fn suite(
    place: &Place,
    suite: &Suite,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(Vec<Row>, Vec<Memory>)> {
    let cases: Vec<_> =
        suite.cases.iter().filter(|case| case.clients.iter().any(|n| wanted(&label(case, *n)))).collect();
    let (mut rows, mut memory) = (Vec::new(), Vec::new());
    if cases.is_empty() {
        return Ok((rows, memory));
    }
    let mut sides = vec![place.start(Server::Ours, suite.api).await?, place.start(suite.api.peer(), suite.api).await?];
    if place.postgres.is_some() && cases.iter().any(|case| case.postgres) {
        sides.push(place.start(Server::OursOnPostgres, suite.api).await?);
    }
    for case in cases {
        let taking_part: Vec<_> =
            sides.iter().filter(|side| case.postgres || side.server != Server::OursOnPostgres).collect();
        let begun = Instant::now();
        for side in &taking_part {
            case.work.prepare(&side.target).await?;
        }
        say(&format!("{}: {} prepared in {:.0} s", suite.name, case.name, begun.elapsed().as_secs_f64()));
        let turns: Vec<_> = taking_part.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
        for clients in case.clients.iter().copied().filter(|clients| wanted(&label(case, *clients))) {
            let sides = measure(place, case, clients, &taking_part, &turns).await?;
            let Case { name, unit, aim, .. } = case.clone();
            let row = Row { suite: suite.name, api: suite.api, name, clients, unit, aim, sides };
            say(&summary(&row));
            rows.push(row);
        }
    }
    for side in &sides {
        let peak = side.process.peak_memory();
        memory.push(Memory { suite: suite.name, api: suite.api, server: side.server, peak });
    }
    Ok((rows, memory))
}

/// The name by which a row is chosen.
fn label(case: &Case, clients: usize) -> String {
    format!("{}, {clients} clients", case.name)
}

async fn measure(
    place: &Place,
    case: &Case,
    clients: usize,
    sides: &[&Side],
    turns: &[Arc<AtomicU64>],
) -> Result<Vec<Figures>> {
    let limit = Limit { operations: case.limit.operations.max(clients as u64), ..case.limit };
    let warm_up = Limit { time: WARM_UP, operations: limit.operations.div_ceil(4).min(WARM_UP_OPERATIONS) };
    for (side, turns) in sides.iter().zip(turns) {
        round(&case.work, &side.target, turns, clients, warm_up).await?;
    }
    let mut all: Vec<Vec<Timed>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..case.rounds {
        for ((side, turns), rounds) in sides.iter().zip(turns).zip(&mut all) {
            flush(&place.folder)?;
            rounds.push(timed(case, side, turns, clients, limit).await?);
        }
    }
    Ok(sides.iter().zip(all).map(|(side, rounds)| figures(case.unit, side.server, &rounds)).collect())
}

/// A round, and the CPU time of server and generator in it.
struct Timed {
    round: Round,
    server_cpu: f64,
    own_cpu: f64,
}

async fn timed(case: &Case, side: &Side, turns: &Arc<AtomicU64>, clients: usize, limit: Limit) -> Result<Timed> {
    let before = (side.process.cpu_seconds(), own_cpu_seconds());
    let round = round(&case.work, &side.target, turns, clients, limit).await?;
    let after = (side.process.cpu_seconds(), own_cpu_seconds());
    case.work.check(&side.target, &mut side.target.connect().await?, round.turn).await?;
    Ok(Timed { round, server_cpu: after.0 - before.0, own_cpu: after.1 - before.1 })
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2⁵²")]
fn figures(unit: Unit, server: Server, rounds: &[Timed]) -> Figures {
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let throughput = |timed: &Timed| match unit {
        Unit::Operations => timed.round.operations as f64 / timed.round.seconds,
        Unit::Megabytes => timed.round.bytes as f64 / 1e6 / timed.round.seconds,
    };
    let of = |value: &dyn Fn(&Timed) -> f64| median(rounds.iter().map(value));
    let rates: Vec<_> = rounds.iter().map(throughput).collect();
    Figures {
        server,
        throughput: median(rates.iter().copied()),
        rounds: rates,
        p50_ms: of(&|timed| timed.round.p50),
        p99_ms: of(&|timed| timed.round.p99),
        server_cpu_ms: of(&|timed| timed.server_cpu * 1000.0 / timed.round.operations as f64),
        generator_share: of(&|timed| timed.own_cpu / timed.round.seconds / cores),
        operations: rounds.iter().map(|timed| timed.round.operations).sum(),
    }
}

/// Writes the last round's data to the disk, so that no server pays for another's writes. The page
/// cache is not dropped: all servers read recently written data.
fn flush(folder: &Path) -> Result<()> {
    let status = Command::new("sync").arg("--file-system").arg(folder).status().map_err(Error::io("sync"))?;
    if status.success() { Ok(()) } else { Err(Error::Setup(format!("sync {}: {status}", folder.display()))) }
}

fn summary(row: &Row) -> String {
    let unit = match row.unit {
        Unit::Operations => "ops/s",
        Unit::Megabytes => "MB/s",
    };
    let sides = row.sides.iter().map(|side| {
        let (p50, p99, share) = (side.p50_ms, side.p99_ms, 100.0 * side.generator_share);
        let cpu = side.server_cpu_ms;
        format!(
            "{} {:.0} {unit} (p50 {p50:.2}, p99 {p99:.2}, cpu {cpu:.3} ms/op, generator {share:.0} %)",
            side.server.name(),
            side.throughput
        )
    });
    let ratio = row.ratio(Server::Ours).unwrap_or_default();
    format!("{}, {} clients: {ratio:.2}x; {}", row.name, row.clients, sides.collect::<Vec<_>>().join("; "))
}

pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    // an error means that nobody reads the output
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
