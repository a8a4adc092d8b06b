//! Command line and environment variables.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};

/// The operator of the Zot Artifact Store.
///
/// Without a command, it runs the stores that `ZotArtifactStore` resources describe: it creates and updates their
/// Deployments, Services, Secrets and other objects. One of several replicas is the leader, the others are standbys.
#[derive(Debug, Parser)]
#[command(name = "zot-artifact-store-operator", version, max_term_width = 100)]
pub(crate) struct OperatorArguments {
    #[command(subcommand)]
    pub(crate) command: Option<OperatorCommand>,
    /// Namespaces to watch, separated by commas. If empty, the operator watches all namespaces.
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", value_name = "NAMES")]
    pub(crate) watch_namespace: String,
    /// The servers' image, unless a resource names one.
    #[arg(long, env = "RELATED_IMAGE_ZOT_ARTIFACT_STORE", value_name = "IMAGE", default_value = concat!("ghcr.io/candlekeep/zot-artifact-store:", env!("CARGO_PKG_VERSION")))]
    pub(crate) server_image: String,
    /// Work only while this replica is the leader. Use `false` for a single operator on your own machine.
    #[arg(long, env = "LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) leader_elect: bool,
    /// Seconds after which a standby replaces a leader that no longer renews its lease.
    #[arg(long, env = "LEASE_DURATION_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    pub(crate) lease_duration: u16,
    /// This replica's name, written into the lease as its holder.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the lease.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    /// Address for the probes `/healthz` and `/readyz`.
    #[arg(long, default_value = ":8081", value_name = "ADDRESS", value_parser = address)]
    pub(crate) health_probe_bind_address: SocketAddr,
    /// Address for `/metrics`, in the format of Prometheus.
    #[arg(long, default_value = ":8080", value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics_bind_address: SocketAddr,
    /// Seconds after which a store is reconciled again although nothing has changed.
    #[arg(long, env = "RESYNC_SECONDS", default_value_t = 300)]
    pub(crate) resync: u64,
    /// Log level: trace, debug, info, warn or error.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub(crate) log_level: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Print the `CustomResourceDefinition` as YAML.
    Crd,
}

impl OperatorArguments {
    /// Empty: all namespaces.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let names = self.watch_namespace.split(',').map(str::trim).filter(|name| !name.is_empty());
        // a namespace that is named twice is watched once
        names.map(ToOwned::to_owned).collect::<BTreeSet<String>>().into_iter().collect()
    }

    pub(crate) fn resync(&self) -> Duration {
        Duration::from_secs(self.resync.max(1))
    }
}

/// `:8080` means every interface, as in Go.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("{text:?} is not an address: use a form such as :8080 or 127.0.0.1:8080"))
}
