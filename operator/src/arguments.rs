//! The command line, and the environment that stands for it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};

/// The operator of the Zot Artifact Store.
///
/// Without a command it runs: it watches `ZotArtifactStore` resources and makes Deployments, Services, Secrets and more of
/// them. Of several replicas one works, the others stand by.
#[derive(Debug, Parser)]
#[command(name = "zot-artifact-store-operator", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Namespaces to look after, with commas between them; none: all.
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", value_name = "NAMES")]
    pub(crate) watch_namespace: String,
    /// Image of the servers, where a resource names none.
    #[arg(long, env = "RELATED_IMAGE_ZOT_ARTIFACT_STORE", value_name = "IMAGE", default_value = concat!("ghcr.io/candlekeep/zot-artifact-store:", env!("CARGO_PKG_VERSION")))]
    pub(crate) server_image: String,
    /// Work only while this replica holds the lease. `false` for a single operator on a developer's machine.
    #[arg(long, env = "LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) leader_elect: bool,
    /// How long a lease lasts that is not renewed, in seconds.
    #[arg(long, env = "LEASE_DURATION_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    pub(crate) lease_duration: u16,
    /// This replica's name, which is the lease's holder.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the lease.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    /// Where probes are answered.
    #[arg(long, default_value = ":8081", value_name = "ADDRESS", value_parser = address)]
    pub(crate) health_probe_bind_address: SocketAddr,
    /// Where metrics are served.
    #[arg(long, default_value = ":8080", value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics_bind_address: SocketAddr,
    /// How often all resources are looked at again without a cause, in seconds.
    #[arg(long, env = "RESYNC_SECONDS", default_value_t = 300)]
    pub(crate) resync: u64,
    /// trace, debug, info, warn or error.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub(crate) log_level: String,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the definition of the custom resource.
    Crd,
}

impl Arguments {
    /// The namespaces to look after; none: all.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let names = self.watch_namespace.split(',').map(str::trim).filter(|name| !name.is_empty());
        // one that is named twice is watched once
        names.map(ToOwned::to_owned).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// How often all resources are looked at again.
    pub(crate) fn resync(&self) -> Duration {
        Duration::from_secs(self.resync.max(1))
    }
}

/// An address as Go writes it: `:8080` is every interface.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("{text:?} is no address; such as :8080 or 127.0.0.1:8080"))
}
