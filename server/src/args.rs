//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// A content-addressed artifact store with an OCI registry door and an S3 door.
///
/// Without a command it serves. Settings come from flags, then the environment (ZOT_…), then the configuration file,
/// then defaults: an embedded database and a directory of this machine, on loopback, without access control.
#[derive(Debug, Parser)]
#[command(name = "zot-artifact-store", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub settings: SettingsArguments,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where settings come from.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingsArguments {
    /// Configuration file (YAML).
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Log level: trace, debug, info, warn, error.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Any key of the configuration, such as `--set http.port=9090`. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve (the default).
    Serve {
        /// Check the configuration and end.
        #[arg(long, alias = "validate")]
        dry_run: bool,
    },
    /// Check the configuration without starting anything.
    CheckConfig {
        /// Print the settings in force, secrets masked.
        #[arg(long)]
        print: bool,
        /// Print the JSON Schema of the configuration file instead.
        #[arg(long)]
        schema: bool,
    },
    /// Bring the database schema up to date and end. `serve` does this too.
    Migrate,
    /// Look at database and storage directly, and count what is there.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Ask a running server how it is; ends with 0 if it is healthy.
    Health {
        /// Its health endpoint.
        #[arg(long, default_value = "http://127.0.0.1:8080/health")]
        url: String,
    },
    /// Print a completion script, such as `source <(zot-artifact-store completion bash)`.
    Completion {
        /// bash, zsh, fish, elvish or powershell.
        shell: Shell,
    },
}

/// Images and documents spell the flag `-config`, as Go does.
pub(crate) fn go_style(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| match argument.to_str() {
        Some("-config") => "--config".into(),
        Some(text) if text.starts_with("-config=") => format!("-{text}").into(),
        _ => argument,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_way_to_start_still_works() {
        for flags in [&["x", "-config", "a.yaml"][..], &["x", "-config=a.yaml"], &["x", "serve", "--config", "a.yaml"]]
        {
            let arguments = Arguments::parse_from(go_style(flags.iter().map(OsString::from)));
            assert_eq!(arguments.settings.config, Some(PathBuf::from("a.yaml")), "{flags:?}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
