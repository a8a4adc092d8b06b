//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use zot_settings::Span;

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
    /// Least severe level that is logged.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = levels())]
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
        /// Print all settings that are in force, defaults too, as JSON; secrets are masked.
        #[arg(long)]
        print: bool,
        /// Print the JSON Schema of the configuration file instead.
        #[arg(long)]
        schema: bool,
    },
    /// Bring the database schema up to date and end. `serve` does this too.
    Migrate,
    /// Try whether database and blob storage can be used, before a server starts on them. Ends with 0 if so.
    ///
    /// Nothing is migrated; two small objects are written and removed again. Prints what was found as JSON.
    Preflight {
        /// Also write it to this file.
        #[arg(long, value_name = "PATH")]
        report: Option<PathBuf>,
    },
    /// Look at database and storage directly, and count what is there.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Collect garbage now, at full speed. `serve` does it in the background by itself.
    Gc {
        /// Count what would go, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Take bytes in storage that no row names and that are older for forgotten ones. An upload that is under way for
        /// longer fails, and has to be done again.
        #[arg(long, value_name = "AGE", default_value = "48h")]
        orphan_age: Span,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Hold database and blob storage against each other, and explain what does not fit. May run beside a server.
    ///
    /// Ends with 0 if nothing is damaged, with 1 if something is. Garbage that is left to collect is no damage.
    Fsck {
        /// Read and hash the bytes of this share of the blobs: `all`, `none`, or a percentage such as `5%`.
        #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
        verify: u8,
        /// Mend what can be mended: damaged blobs answer as absent until they are pushed again, garbage is handed to
        /// garbage collection. Deletes nothing.
        #[arg(long)]
        repair: bool,
        /// Bytes in storage that no row names are reported when they are older.
        #[arg(long, value_name = "AGE", default_value = "48h")]
        orphan_age: Span,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Look after the audit trail. May run beside a server.
    Audit {
        #[command(subcommand)]
        order: AuditOrder,
    },
    /// Keep all bytes while a backup is taken: first of the database, then of the blobs.
    Hold {
        /// For how long, should nobody release it.
        #[arg(long = "for", value_name = "SPAN", default_value = "6h")]
        span: Span,
        /// Name of the hold; several can stand beside each other.
        #[arg(long, default_value = "backup")]
        id: String,
        /// Let a hold that stands last that long from now on.
        #[arg(long)]
        renew: bool,
        /// End the hold.
        #[arg(long, conflicts_with_all = ["span", "renew"])]
        release: bool,
        /// Show the holds that stand.
        #[arg(long, conflicts_with_all = ["span", "id", "release", "renew"])]
        list: bool,
    },
    /// After a restore: take the blobs over for this database, so that it may delete of them again.
    ///
    /// A restored or copied database deletes nothing, as another server may still use the same blobs. Make sure that none
    /// does. Checks first that the bytes are there which the database names.
    Adopt {
        /// Take over although bytes are missing. `fsck --repair` then says which, and mends what can be mended.
        #[arg(long)]
        accept_losses: bool,
    },
    /// Ask a running server how it is; ends with 0 if it is healthy.
    Health {
        /// Its health endpoint; without it, that of a server with this configuration on this machine.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Print a completion script, such as `source <(zot-artifact-store completion bash)`.
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
    /// Verify that no sealed row was changed, added or removed; ends with 0 if so. `fsck` does this too.
    Verify {
        /// Hold the trail against the roots in a file that `log.audit` made: that shows also what was sealed anew.
        #[arg(long, value_name = "PATH")]
        journal: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl SettingsArguments {
    /// What to add to a command that is told to run next, so that it is about the same store.
    pub(crate) fn repeated(&self) -> String {
        let Some(path) = &self.config else { return String::new() };
        let path = path.display().to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
        if path.chars().all(plain) {
            format!(" --config {path}")
        } else {
            format!(" --config '{}'", path.replace('\'', "'\\''"))
        }
    }
}

/// Log levels, for completion; the configuration's other names for them are taken too.
fn levels() -> PossibleValuesParser {
    let other = ["warning", "fatal", "panic"].map(|name| PossibleValue::new(name).hide(true));
    let levels = ["trace", "debug", "info", "warn", "error"].map(PossibleValue::new);
    PossibleValuesParser::new(levels.into_iter().chain(other))
}

/// A share of the blobs, in percent.
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
    fn the_configuration_is_repeated_so_that_a_shell_takes_it() {
        for (path, repeated) in [
            (None, ""),
            (Some("/etc/zot/store.yaml"), " --config /etc/zot/store.yaml"),
            (Some("my store's.yaml"), r" --config 'my store'\''s.yaml'"),
        ] {
            let config = path.map(PathBuf::from);
            assert_eq!(SettingsArguments { config, log_level: None, set: Vec::new() }.repeated(), repeated);
        }
    }

    #[test]
    fn every_name_of_a_level_is_taken() {
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
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
