//! `hack/bench`: the store's speed as ratios to its peers, in one run on one machine.
//!
//! [`rows`] is the table of measurements, with a file for each kind of operation. [`run`] starts [`servers`], and
//! lets clients do rounds of [`work`] on this server and the peer in turn. [`report`] prints the results. [`http`] and
//! [`sign`] are a cheap client, and [`content`] generates its bodies. [`trips`] counts round trips to the
//! database. Other modes are [`load`], a fixed load on a running server, and [`collection`], garbage collection
//! under load.

mod args;
mod authenticate;
mod collection;
mod content;
mod decide;
mod error;
mod http;
mod load;
mod machine;
mod process;
mod report;
mod rows;
mod run;
mod servers;
mod sign;
mod stats;
mod target;
mod trips;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Arguments, Command, Compare};
use crate::content::Content;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::report::Report;
use crate::rows::Scale;
use crate::run::say;
use crate::servers::Place;

/// One thread: the generator must leave the cores to the server, and one is enough for a few cores.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::select! {
        outcome = begin(&arguments) => outcome,
        error = stopped() => Err(error),
    };
    outcome.unwrap_or_else(|error| {
        say(&error.to_string());
        ExitCode::FAILURE
    })
}

async fn begin(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        None => compare(&arguments.compare).await,
        Some(Command::Load(load)) => {
            let (report, well) = load::run(load).await?;
            print(&serde_json::to_string_pretty(&report)?);
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some(Command::Decide { write }) => {
            let (decisions, authentication) = (decide::run()?, authenticate::run().await?);
            if *write {
                decide::write(&decisions)?;
                authenticate::write(&authentication)?;
            }
            print(&format!("{decisions}\n{authentication}"));
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Collection(options)) => {
            let place = Place {
                server: options.server.clone(),
                minio: PathBuf::new(),
                registry: PathBuf::new(),
                postgres: options.postgres.clone(),
                folder: std::env::temp_dir(),
                content: Arc::new(Content::new(rows::LARGEST)),
            };
            let report = collection::run(&place, options).await?;
            if options.write {
                collection::write(&report)?;
            }
            print(&serde_json::to_string_pretty(&report)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn compare(options: &Compare) -> Result<ExitCode> {
    let begun = (Instant::now(), zot_core::ambient::now());
    let place = Place {
        server: options.server.clone(),
        minio: options.minio.clone(),
        registry: options.registry.clone(),
        postgres: options.postgres.clone(),
        folder: options.folder.clone().unwrap_or_else(std::env::temp_dir),
        content: Arc::new(Content::new(rows::LARGEST)),
    };
    let wanted = |name: &str| options.rows.is_empty() || options.rows.iter().any(|part| name.contains(part.as_str()));
    let scale = if options.quick { Scale::Quick } else { Scale::Full };
    let mut report = Report {
        begun: begun.1.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        seconds: 0,
        quick: options.quick,
        machine: Machine::this(&place.folder),
        versions: place.versions().await?,
        rows: Vec::new(),
        memory: Vec::new(),
        trips: Vec::new(),
    };
    for suite in rows::suites(scale) {
        let (rows, memory) = run::suite(&place, &suite, &wanted).await?;
        report.rows.extend(rows);
        report.memory.extend(memory);
    }
    if place.postgres.is_some() {
        report.trips = trips::count(&place, &wanted).await?;
    }
    report.seconds = begun.0.elapsed().as_secs();
    print(&report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?).map_err(Error::io(file.display().to_string()))?;
    }
    if options.write {
        report.write_into(Path::new("docs/BENCHMARKS.md"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for a signal to stop, which then stops the servers.
async fn stopped() -> Error {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return Error::Setup("cannot wait for signals".to_owned());
    };
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Error::Setup("stopped by a signal".to_owned())
}

fn print(text: &str) {
    use std::io::Write as _;
    // an error means that nobody reads the output
    let _ = writeln!(std::io::stdout(), "{text}");
}
