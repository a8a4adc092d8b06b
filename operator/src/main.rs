//! The operator of the Zot Artifact Store: makes what a `ZotArtifactStore` asks for, and keeps it right.
//!
//! The way of a resource: [`facts`] reads what the resource refers to, [`validate`] decides whether it makes sense, [`build`]
//! makes the objects (both pure), [`apply`] brings them to the cluster and removes what is no longer asked for, [`status`]
//! says what came of it. [`controller`] drives that, [`lease`] sees to it that one replica of the operator does,
//! [`serve`] answers probes and Prometheus.

mod api;
mod apply;
mod arguments;
mod build;
mod controller;
mod error;
mod events;
mod facts;
mod lease;
mod measured;
mod preflight;
mod references;
mod serve;
mod status;
mod troubles;
mod validate;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::error::Error;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Crd) => print_crd(),
        None => run(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the definition of the custom resource.
fn print_crd() -> Result<(), Error> {
    let yaml = serde_saphyr::to_string(&zot_crds::definition::definition());
    print!("{}", yaml.map_err(|error| Error::Internal(error.to_string()))?);
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let level = arguments.log_level.as_str();
    // kube's warnings have whole answers in them, and these may be Secrets
    let filter =
        tracing_subscriber::EnvFilter::try_new(format!("{level},kube_client=error,kube_runtime=warn,hyper=warn"));
    let filter = filter.map_err(|error| Error::Argument(format!("--log-level: {error}")))?;
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| Error::Internal("another TLS provider is in use".to_owned()))?;
    controller::run(arguments).await
}
