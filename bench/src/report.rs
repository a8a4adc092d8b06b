//! The report: all figures as JSON, and the tables of docs/BENCHMARKS.md.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::rows::Unit;
use crate::run::{Figures, Memory, Row};
use crate::servers::{Api, Server};
use crate::trips::Trips;

const BEGIN: &str = "<!-- tables: written by `make bench ARGS=--write`, do not edit -->";
const END: &str = "<!-- end of tables -->";

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// When it began, as in RFC 3339.
    pub begun: String,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Whether it was a quick one.
    pub quick: bool,
    pub machine: Machine,
    /// Names and versions of the programs.
    pub versions: Vec<(String, String)>,
    /// Rows of all suites.
    pub rows: Vec<Row>,
    /// Peak memory of each server in each suite.
    pub memory: Vec<Memory>,
    /// Round trips to Postgres.
    pub trips: Vec<Trips>,
}

impl Report {
    /// The tables, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = self.preface();
        for (api, title) in [(Api::S3, "S3: ours and MinIO"), (Api::Oci, "OCI: ours and distribution")] {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.api == api).collect();
            if !rows.is_empty() {
                let _ = write!(text, "\n### {title}\n\n{}", table(api, &rows));
            }
        }
        let rows: Vec<_> = self.rows.iter().filter(|row| row.of(Server::OursOnPostgres).is_some()).collect();
        if !rows.is_empty() {
            let _ = write!(text, "\n### Ours on Postgres, blobs on the same disk\n\n{}", postgres_table(&rows));
        }
        if !self.memory.is_empty() {
            let _ = write!(text, "\n### Peak memory\n\n{}", self.memory_table());
        }
        if !self.trips.is_empty() {
            let _ = write!(text, "\n### Round trips to the database\n\n| operation | round trips |\n|---|---|\n");
            self.trips.iter().for_each(|trips| {
                let _ = writeln!(text, "| {} | {:.1} |", trips.name, trips.trips);
            });
        }
        text
    }

    fn preface(&self) -> String {
        let Machine { cpu, cores, memory_gib, kernel, filesystem } = &self.machine;
        let versions: Vec<_> = self.versions.iter().map(|(name, version)| format!("{name}: {version}")).collect();
        let kind = if self.quick { "A quick run, not for comparison" } else { "A full run" };
        format!(
            "{kind} of {} minutes, begun {}.\n\nMachine: {cores} cores of {cpu}, {memory_gib} GiB of memory, Linux \
             {kernel}, {filesystem}.\n\nVersions: {}.\n",
            self.seconds.div_ceil(60),
            self.begun,
            versions.join("; ")
        )
    }

    fn memory_table(&self) -> String {
        let mut text = "| suite | ours | peer | ours to peer | ours on Postgres |\n|---|---|---|---|---|\n".to_owned();
        let peak = |suite: &str, server| {
            self.memory.iter().find(|memory| memory.suite == suite && memory.server == server).map(|memory| memory.peak)
        };
        for ours in self.memory.iter().filter(|memory| memory.server == Server::Ours) {
            let peer = ours.api.peer();
            let (Some(theirs), suite) = (peak(ours.suite, peer), ours.suite) else { continue };
            let mib = |bytes: u64| format!("{} MiB", bytes / 1024 / 1024);
            let postgres = peak(suite, Server::OursOnPostgres).map_or_else(|| "-".to_owned(), mib);
            let (name, percent) = (peer.name(), 100 * ours.peak / theirs.max(1));
            let _ = writeln!(
                text,
                "| {suite} | {} | {} ({name}) | {percent} % | {postgres} |",
                mib(ours.peak),
                mib(theirs)
            );
        }
        text
    }

    /// Writes the tables into a document, between its two marks.
    ///
    /// # Errors
    /// As [`write_between`].
    pub(crate) fn write_into(&self, document: &Path) -> Result<()> {
        write_between(document, (BEGIN, END), &self.markdown())
    }
}

/// Writes a text into a document, between two lines of it.
///
/// # Errors
/// [`Error::Setup`] if the lines are missing.
pub(crate) fn write_between(document: &Path, (begin, end): (&str, &str), written: &str) -> Result<()> {
    let name = document.display().to_string();
    let text = std::fs::read_to_string(document).map_err(Error::io(&name))?;
    let missing = || Error::Setup(format!("{name} lacks the line `{begin}` or `{end}`"));
    let (before, rest) = text.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    std::fs::write(document, format!("{before}{begin}\n{written}{end}{after}")).map_err(Error::io(name))
}

fn table(api: Api, rows: &[&Row]) -> String {
    let peer = api.peer().name();
    let mut text = format!(
        "| operation | clients | ours | {peer} | ratio | rounds | aim | p50 ms | p99 ms | CPU ms | load |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let (Some(ours), Some(theirs), Some(ratio)) =
            (row.of(Server::Ours), row.of(api.peer()), row.ratio(Server::Ours))
        else {
            continue;
        };
        let pair = |value: &dyn Fn(&Figures) -> f64| format!("{} / {}", number(value(ours)), number(value(theirs)));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % |",
            row.name,
            row.clients,
            rate(ours, row.unit),
            rate(theirs, row.unit),
            judged(ratio, row.aim),
            spread(ours, theirs),
            row.aim,
            pair(&|side| side.p50_ms),
            pair(&|side| side.p99_ms),
            pair(&|side| side.server_cpu_ms),
            100.0 * ours.generator_share.max(theirs.generator_share),
        );
    }
    text
}

fn postgres_table(rows: &[&Row]) -> String {
    let mut text = "| operation | clients | on Postgres | to the peer | to SQLite | p50 ms | p99 ms |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let (Some(ours), Some(sqlite), Some(ratio)) =
            (row.of(Server::OursOnPostgres), row.of(Server::Ours), row.ratio(Server::OursOnPostgres))
        else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {ratio:.2} | {:.2} | {} | {} |",
            row.name,
            row.clients,
            rate(ours, row.unit),
            ours.throughput / sqlite.throughput,
            number(ours.p50_ms),
            number(ours.p99_ms),
        );
    }
    text
}

fn rate(side: &Figures, unit: Unit) -> String {
    match unit {
        Unit::Operations => format!("{}/s", number(side.throughput)),
        Unit::Megabytes => format!("{} MB/s", number(side.throughput)),
    }
}

/// The ratio; bold if it misses the target.
fn judged(ratio: f64, aim: f64) -> String {
    if ratio < aim { format!("**{ratio:.2}**") } else { format!("{ratio:.2}") }
}

/// The smallest and the largest ratio of neighbouring rounds.
fn spread(ours: &Figures, theirs: &Figures) -> String {
    let ratios: Vec<_> = ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours / theirs).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    format!("{least:.1}–{greatest:.1}")
}

fn number(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
