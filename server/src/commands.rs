//! The commands; long ones have their own file.

mod adopt;
mod audit;
mod check_config;
mod fsck;
mod gc;
mod health;
mod hold;
mod migrate_config;
mod preflight;
mod progress;
mod serve;
mod status;

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use zot_domain::fsck::Scope;
use zot_settings::{Loaded, Sources, load};

use crate::args::{Arguments, Command, SettingsArguments};
use crate::error::{Error, shown_url};
use crate::{admin, data_dir, storage};

/// Exit code of a check that ran and found damage. 1 is an error, 2 wrong usage.
const DAMAGED: u8 = 3;

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    match arguments.command.unwrap_or(Command::Serve { dry_run: false }) {
        Command::Serve { dry_run: false } => serve::run(settings(&arguments.settings)?).await,
        Command::Serve { dry_run: true } => check_config::run(&settings(&arguments.settings)?, false),
        Command::CheckConfig { schema: true, .. } => check_config::schema(),
        Command::CheckConfig { print, schema: false } => check_config::run(&settings(&arguments.settings)?, print),
        Command::AdminKey { export } => {
            let settings = settings(&arguments.settings)?.settings;
            let shown = admin::shown(&settings.storage.root_directory, export)?;
            if let Some(note) = shown.note {
                eprintln!("Note: {note}");
            }
            print(&shown.text);
            Ok(ExitCode::SUCCESS)
        }
        Command::MigrateConfig { file, config_out, policies_out } => {
            migrate_config::run(&file, config_out.as_deref(), policies_out.as_deref())
        }
        Command::Migrate => migrate(settings(&arguments.settings)?).await,
        Command::Preflight { report } => preflight::run(settings(&arguments.settings)?, report.as_deref()).await,
        Command::Status { json } => status::run(settings(&arguments.settings)?, json).await,
        Command::Gc { dry_run, orphan_age, json } => {
            gc::run(settings(&arguments.settings)?, gc::Options { dry_run, orphan_age: orphan_age.0, json }).await
        }
        Command::Fsck { verify, repair, orphan_age, json } => {
            let scope = Scope { verify_percent: verify, repair, orphan_age: orphan_age.0 };
            fsck::run(settings(&arguments.settings)?, scope, json).await
        }
        Command::Audit { order } => audit::run(settings(&arguments.settings)?, order).await,
        Command::Hold { span, id, renew, release, list } => {
            let order = match (release, list) {
                (_, true) => hold::Order::List,
                (true, false) => hold::Order::Release(id),
                (false, false) => hold::Order::Hold { id, span, renew },
            };
            hold::run(settings(&arguments.settings)?, order, &arguments.settings.repeated()).await
        }
        Command::Adopt { accept_losses } => {
            adopt::run(settings(&arguments.settings)?, accept_losses, &arguments.settings.repeated()).await
        }
        Command::Health { url: Some(url) } => health::run(&url).await,
        Command::Health { url: None } => health::run_by(&settings(&arguments.settings)?.settings).await,
        Command::Completion { shell } => {
            print(&completion(shell));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A completion script. For bash it corrects a name: clap takes a binary's name with hyphens for subcommands.
fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "zot-artifact-store", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        script.replace("zot__subcmd__artifact__subcmd__store", "zot__artifact__store")
    } else {
        script
    }
}

fn settings(arguments: &SettingsArguments) -> Result<Loaded, Error> {
    let mut flags = Vec::new();
    if let Some(level) = &arguments.log_level {
        flags.push(("log.level".to_owned(), level.clone()));
    }
    for pair in &arguments.set {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::Refused(format!("--set {pair}: expected KEY=VALUE, such as http.port=9090")))?;
        flags.push((key.to_owned(), value.to_owned()));
    }
    let sources = Sources::from_process(arguments.config.clone(), flags);
    Ok(load(&sources)?)
}

/// Prints a line. A closed pipe, as with `head`, is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn migrate(loaded: Loaded) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    data_dir::prepare(&settings)?;
    let store = storage::open_database(&settings, true).await?;
    store.migrate().await?;
    let url = shown_url(&settings.effective_database_url());
    print(&format!("The schema of {url} is at version {}.", zot_store::migrate::SCHEMA_VERSION));
    Ok(ExitCode::SUCCESS)
}
