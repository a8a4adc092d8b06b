//! The server of the Zot Artifact Store: command line, wiring, and the listener. The other crates implement the store.

mod admin;
mod args;
mod audit_key;
mod commands;
mod data_dir;
mod error;
mod issuers;
mod jobs;
mod journal;
mod masters;
mod options;
mod random;
mod storage;
mod telemetry;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::args::{Arguments, go_style};

fn main() -> ExitCode {
    keep_from_others();
    let arguments = Arguments::parse_from(go_style(std::env::args_os()));
    // one TLS provider in the whole binary
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("Error: another TLS provider was installed first");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Only the store's user and group may read new files: other users of the machine must not see repositories. A stricter
/// umask stays.
fn keep_from_others() {
    let before = umask(Mode::RWXO);
    umask(before | Mode::RWXO);
}
