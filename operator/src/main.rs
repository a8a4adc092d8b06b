//! The operator of the Zot Artifact Store: runs the stores that `ZotArtifactStore` resources describe.
//!
//! A reconciliation has these steps: [`facts`] reads what the resource refers to, [`validate`] checks the resource, [`build`]
//! builds the objects (both are pure), [`preflight`] checks bucket and database, [`apply`] writes objects and deletes
//! unneeded ones, [`diagnostics`] finds out why servers do not start, [`status`] computes conditions. [`controller`] runs
//! the steps, [`lease`] elects the leader, [`serve`] answers probes and Prometheus.

mod ambient;
mod apply;
mod arguments;
mod build;
mod controller;
mod diagnostics;
mod error;
mod events;
mod facts;
mod kinds;
mod labels;
mod lease;
mod metrics;
mod preflight;
mod references;
mod serve;
mod server_config;
mod status;
mod validate;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{OperatorArguments, OperatorCommand};
use crate::error::Error;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = OperatorArguments::parse();
    let done = match arguments.command {
        Some(OperatorCommand::Crd) => print_crd(),
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

fn print_crd() -> Result<(), Error> {
    let yaml = serde_saphyr::to_string(&zot_crds::definition::definition());
    print!("{}", yaml.map_err(|error| Error::Internal(error.to_string()))?);
    Ok(())
}

async fn run(arguments: &OperatorArguments) -> Result<(), Error> {
    let level = arguments.log_level.as_str();
    // kube's warnings contain whole responses, which may be Secrets
    let filter =
        tracing_subscriber::EnvFilter::try_new(format!("{level},kube_client=error,kube_runtime=warn,hyper=warn"));
    let filter = filter.map_err(|error| Error::Argument(format!("--log-level: {error}")))?;
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| Error::Internal("another TLS provider is already installed".to_owned()))?;
    controller::run(arguments).await
}
