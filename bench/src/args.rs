//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Speed of the store as ratios to its peers, interleaved in one run on one machine.
#[derive(Debug, Parser)]
#[command(name = "hack/bench", max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Foreground load instead of a comparison.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The comparison.
    #[command(flatten)]
    pub compare: Compare,
}

/// What else it does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a fixed load of pushes, pulls, puts and gets on a running server, and print its latencies as JSON.
    Load(Load),
    /// Measure the latency during garbage collection: half of a store is deleted and collected under a fixed load.
    Collection(Collection),
    /// Measure the time of a policy decision with many policies and groups.
    Decide {
        /// Write the table into docs/BENCHMARKS.md.
        #[arg(long)]
        write: bool,
    },
}

/// Options of garbage collection under load.
#[derive(Args, Debug)]
pub(crate) struct Collection {
    /// Objects to put; half of them are deleted.
    #[arg(long, default_value_t = 50_000)]
    pub objects: u64,
    /// Manifests to push; half of them are deleted.
    #[arg(long, default_value_t = 50_000)]
    pub manifests: u64,
    /// Seconds of each window of the load.
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// Operations begun each second.
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// Write the table into docs/BENCHMARKS.md.
    #[arg(long)]
    pub write: bool,
    /// The binary of this server.
    #[arg(long, hide = true, env = "ZOT_BENCH_SERVER", default_value = ".")]
    pub server: PathBuf,
    /// An administrator of Postgres.
    #[arg(long, hide = true, env = "ZOT_TEST_POSTGRES_URL", hide_env_values = true)]
    pub postgres: Option<String>,
}

/// Options of the comparison.
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Only rows whose name contains one of these texts, such as "PUT 4 KiB" or "32 clients".
    pub rows: Vec<String>,
    /// Short rounds with smaller data, not for publishing.
    #[arg(long)]
    pub quick: bool,
    /// Write all figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the tables into docs/BENCHMARKS.md.
    #[arg(long)]
    pub write: bool,
    /// Folder for the data of all servers, on the disk to be measured [default: the system's temporary folder].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The binary of this server.
    #[arg(long, hide = true, env = "ZOT_BENCH_SERVER", default_value = ".")]
    pub server: PathBuf,
    /// The peer for S3.
    #[arg(long, hide = true, env = "ZOT_BENCH_MINIO", default_value = ".")]
    pub minio: PathBuf,
    /// The peer for OCI.
    #[arg(long, hide = true, env = "ZOT_BENCH_REGISTRY", default_value = ".")]
    pub registry: PathBuf,
    /// An administrator of Postgres.
    #[arg(long, hide = true, env = "ZOT_TEST_POSTGRES_URL", hide_env_values = true)]
    pub postgres: Option<String>,
}

/// Options of the foreground load.
#[derive(Args, Debug)]
pub(crate) struct Load {
    /// Address of the server's main port, such as <http://127.0.0.1:8080>. S3 requests go to its /s3.
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// How long.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Operations begun each second, even if earlier ones have not ended.
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// Connections: the limit of concurrent operations.
    #[arg(long, default_value_t = 16)]
    pub clients: usize,
    /// Access key, if the server needs one.
    #[arg(long, env = "ZOT_ADMIN_ACCESS_KEY", requires = "secret_key")]
    pub access_key: Option<String>,
    /// Its secret.
    #[arg(long, env = "ZOT_ADMIN_SECRET_KEY", hide_env_values = true, requires = "access_key")]
    pub secret_key: Option<String>,
}
