//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use zot_settings::Span;

use crate::error::quoted;

/// A registry and object store on the same content: OCI artifacts and S3 objects.
///
/// Without a command it serves. A setting comes from flags, else from the environment (ZOT_…), else from the configuration
/// file, else it is the default: SQLite and a local directory, on 127.0.0.1, without access control.
#[derive(Debug, Parser)]
#[command(name = "zot-artifact-store", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub settings: SettingsArguments,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  zot-artifact-store                                           serve; data in ~/.local/share
  zot-artifact-store serve --set extensions.rbac.enabled=true  the same, with access control
  eval \"$(zot-artifact-store admin-key --export)\"             use the admin's key in this shell
  zot-artifact-store check-config --config store.yaml          check a configuration file
  zot-artifact-store fsck --config store.yaml                  check database and blob storage";

/// Where settings come from.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Configuration options")]
pub(crate) struct SettingsArguments {
    /// Configuration file (YAML).
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Least severe level that is logged.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = levels())]
    pub log_level: Option<String>,
    /// Set any key of the configuration, such as `--set http.port=9090`. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server (the default).
    #[command(after_help = "\
Examples:
  zot-artifact-store serve --set storage.rootDirectory=./data
  zot-artifact-store serve --config store.yaml --set http.address=0.0.0.0")]
    Serve {
        /// Check the configuration and exit.
        #[arg(long, alias = "validate")]
        dry_run: bool,
    },
    /// Check the configuration without starting anything.
    CheckConfig {
        /// Print all settings, defaults included, as JSON. Secrets are masked.
        #[arg(long)]
        print: bool,
        /// Print the JSON Schema of the configuration file instead.
        #[arg(long)]
        schema: bool,
    },
    /// Show the admin's access key that the first start created.
    ///
    /// The key is in `admin-key.json` in `storage.rootDirectory`. The first start creates it, unless `ZOT_ADMIN_ACCESS_KEY` and
    /// `ZOT_ADMIN_SECRET_KEY` are set.
    #[command(after_help = "\
Examples:
  eval \"$(zot-artifact-store admin-key --export)\"
  curl -u \"$ZOT_ADMIN_ACCESS_KEY:$ZOT_ADMIN_SECRET_KEY\" http://localhost:8080/v2/_catalog")]
    AdminKey {
        /// Print shell commands that export the key and its secret.
        #[arg(long)]
        export: bool,
    },
    /// Translate a configuration of zot: its settings, and its access control into policies.
    ///
    /// Policies are printed in the form that `POST /rbac/policies` takes. They never allow more than zot did; warnings
    /// say where they allow less.
    #[command(after_help = "\
Examples:
  zot-artifact-store migrate-config zot.json
  zot-artifact-store migrate-config zot.json --config-out store.yaml --policies-out policies
  eval \"$(zot-artifact-store admin-key --export --config store.yaml)\"
  for policy in policies/*.json; do
    curl -u \"$ZOT_ADMIN_ACCESS_KEY:$ZOT_ADMIN_SECRET_KEY\" --json @\"$policy\" \\
      http://localhost:8080/rbac/policies
  done")]
    MigrateConfig {
        /// zot's configuration file (JSON or YAML).
        file: PathBuf,
        /// Write the configuration to this file instead of standard output.
        #[arg(long, value_name = "PATH")]
        config_out: Option<PathBuf>,
        /// Write each policy to a file of its own in this directory instead of standard output.
        #[arg(long, value_name = "DIR")]
        policies_out: Option<PathBuf>,
    },
    /// Update the database schema and exit. `serve` does this too.
    Migrate,
    /// Test the database and the blob storage before a server starts. Exits with 0 if both can be used.
    ///
    /// Changes no schema. Writes two small objects and removes them. Prints the result as JSON.
    Preflight {
        /// Also write the result to this file.
        #[arg(long, value_name = "PATH")]
        report: Option<PathBuf>,
    },
    /// Count what the database and the blob storage contain.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Collect garbage now, at full speed. `serve` does it in the background.
    #[command(after_help = "\
Examples:
  zot-artifact-store gc --dry-run
  zot-artifact-store gc --orphan-age 168h")]
    Gc {
        /// Count what would be deleted. Change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Treat unreferenced blobs older than AGE as orphans. Uploads that take longer than AGE fail.
        #[arg(long, value_name = "AGE", default_value = "48h")]
        orphan_age: Span,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the database and blob storage for consistency. May run beside a server.
    ///
    /// Exits with 0 if nothing is damaged, with 3 if something is, and with 1 if the check could not run. Garbage that is not
    /// collected yet is no damage.
    #[command(after_help = "\
Examples:
  zot-artifact-store fsck --verify all
  zot-artifact-store fsck --repair --json > report.json")]
    Fsck {
        /// Read and hash this share of the blobs: `all`, `none`, or a percentage such as `5%`.
        #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
        verify: u8,
        /// Repair what can be repaired. Damaged blobs answer as absent until they are pushed again; garbage is left to garbage
        /// collection. Deletes nothing.
        #[arg(long)]
        repair: bool,
        /// Report unreferenced blobs older than AGE as orphans.
        #[arg(long, value_name = "AGE", default_value = "48h")]
        orphan_age: Span,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Export or verify the audit trail. May run beside a server.
    Audit {
        #[command(subcommand)]
        order: AuditOrder,
    },
    /// Pause blob deletion during a backup. Back up the database first, then the blobs.
    #[command(after_help = "\
Examples:
  zot-artifact-store hold --for 12h
  zot-artifact-store hold --release")]
    Hold {
        /// How long the hold lasts unless it is released.
        #[arg(long = "for", value_name = "DURATION", default_value = "6h")]
        span: Span,
        /// Name of the hold. Several holds can exist at the same time.
        #[arg(long, default_value = "backup")]
        id: String,
        /// Extend a hold that exists: its duration starts again now.
        #[arg(long)]
        renew: bool,
        /// End the hold.
        #[arg(long, conflicts_with_all = ["span", "renew"])]
        release: bool,
        /// List the holds.
        #[arg(long, conflicts_with_all = ["span", "id", "release", "renew"])]
        list: bool,
    },
    /// After a restore: let this database delete blobs again.
    ///
    /// A restored or copied database deletes no blobs, as another server may still use them. Make sure that none does. The
    /// command first checks that the blobs are there.
    Adopt {
        /// Continue although blobs are missing. Then run `fsck --repair`, which lists them and repairs what can be repaired.
        #[arg(long)]
        accept_losses: bool,
    },
    /// Ask a running server for its health. Exits with 0 if it is healthy.
    Health {
        /// URL of the health endpoint. Default: that of a server with this configuration on this machine.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Print a completion script for a shell.
    #[command(after_help = "\
Example:
  source <(zot-artifact-store completion bash)")]
    Completion {
        /// bash, zsh, fish, elvish or powershell.
        shell: Shell,
    },
}

/// What is done with the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditOrder {
    /// Print all rows as JSON lines, the oldest first.
    Export,
    /// Verify that no row of a closed batch was changed, added or removed. `fsck` does this too.
    ///
    /// Exits with 0 if none was, with 3 if one was, and with 1 if the check could not run.
    Verify {
        /// Also compare the trail with a file that `log.audit` wrote: this detects batches that were signed again.
        #[arg(long, value_name = "PATH")]
        journal: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl SettingsArguments {
    /// Arguments for the next command that the user should run, so that it uses the same store.
    pub(crate) fn repeated(&self) -> String {
        let config = self.config.iter().map(|path| ("config", path.display().to_string()));
        let set = self.set.iter().map(|pair| ("set", without_secret(pair)));
        config.chain(set).flat_map(|(flag, value)| [format!(" --{flag} "), quoted(&value)]).collect()
    }
}

/// The program as the user started it, for commands to run next.
pub(crate) fn program() -> String {
    let started = std::env::args_os().next().filter(|name| !name.is_empty());
    quoted(&started.unwrap_or_else(|| "zot-artifact-store".into()).to_string_lossy())
}

/// Terminals are recorded, so a printed command has no secret.
fn without_secret(pair: &str) -> String {
    let is_secret = |key: &str| {
        let key = key.to_lowercase();
        key == "database.url" || key.ends_with("secretkey") || key.ends_with("accountkey")
    };
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}=…"),
        _ => pair.to_owned(),
    }
}

/// Log levels, for completion. Other names in the configuration are accepted too.
fn levels() -> PossibleValuesParser {
    let other = ["warning", "fatal", "panic"].map(|name| PossibleValue::new(name).hide(true));
    let levels = ["trace", "debug", "info", "warn", "error"].map(PossibleValue::new);
    PossibleValuesParser::new(levels.into_iter().chain(other))
}

/// Parses a share of the blobs as a percentage.
fn share(text: &str) -> Result<u8, String> {
    match text {
        "all" => Ok(100),
        "none" => Ok(0),
        text => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse().ok()).filter(|number| *number <= 100);
            percent.ok_or_else(|| "expected `all`, `none`, or a percentage such as `5%`".to_owned())
        }
    }
}

/// Reads `-config` as `--config`: images and documents of earlier versions spell the flag as Go does.
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
    fn flags_in_go_style_are_accepted() {
        for flags in [&["x", "-config", "a.yaml"][..], &["x", "-config=a.yaml"], &["x", "serve", "--config", "a.yaml"]]
        {
            let arguments = Arguments::parse_from(go_style(flags.iter().map(OsString::from)));
            assert_eq!(arguments.settings.config, Some(PathBuf::from("a.yaml")), "{flags:?}");
        }
    }

    #[test]
    fn the_configuration_is_repeated_with_shell_quotes() {
        for (path, repeated) in [
            (None, ""),
            (Some("/etc/zot/store.yaml"), " --config /etc/zot/store.yaml"),
            (Some("my store's.yaml"), r" --config 'my store'\''s.yaml'"),
        ] {
            let config = path.map(PathBuf::from);
            assert_eq!(SettingsArguments { config, log_level: None, set: Vec::new() }.repeated(), repeated);
        }
        let set = ["storage.rootDirectory=my data", "database.url=postgres://u:secret@h/d"].map(str::to_owned).into();
        let repeated = SettingsArguments { config: None, log_level: None, set }.repeated();
        assert_eq!(repeated, " --set 'storage.rootDirectory=my data' --set 'database.url=…'");
    }

    #[test]
    fn every_name_of_a_level_is_accepted() {
        for name in ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"] {
            assert!(Arguments::try_parse_from(["x", "--log-level", name]).is_ok(), "{name}");
        }
        assert!(Arguments::try_parse_from(["x", "--log-level", "loud"]).is_err());
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(["all", "none", "5%", "100%"].map(share), [Ok(100), Ok(0), Ok(5), Ok(100)]);
        assert!(["5", "101%", "-1%", "%", "some"].iter().all(|text| share(text).is_err()));
    }

    #[test]
    fn shared_options_have_a_heading_of_their_own_in_every_help() {
        use clap::CommandFactory as _;
        let mut command = Arguments::command();
        command.build();
        let commands = command.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "help");
        for name in commands.map(ToOwned::to_owned).collect::<Vec<_>>() {
            let help = command.find_subcommand_mut(&name).unwrap().render_long_help().to_string();
            let (own, shared) = help.split_once("Configuration options:").unwrap_or_else(|| panic!("{name}: {help}"));
            for option in ["--config <PATH>", "--log-level <LEVEL>", "--set <KEY=VALUE>"] {
                assert!(shared.contains(option) && !own.contains(option), "{name}: {help}");
            }
        }
    }

    /// `max_term_width` wraps longer lines, and a pasted command would break.
    #[test]
    fn examples_can_be_pasted() {
        use clap::CommandFactory as _;
        let mut command = Arguments::command();
        command.build();
        for each in std::iter::once(&command).chain(command.get_subcommands()) {
            let examples = each.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines() {
                assert!(line.len() < 96 && !line.contains("/api/v1"), "{}: {line}", each.get_name());
            }
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
