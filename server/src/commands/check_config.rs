//! `check-config`: checks a configuration and prints it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, access};
use zot_gateway::listen::tls::Tls;
use zot_settings::{Loaded, Settings, json_schema};

use super::{print, serve};
use crate::error::{Error, parent};
use crate::{admin, masters, options};

/// Prints warnings, and the settings if `shown`. Loaded settings are valid; this also checks what a start needs on this
/// machine: the keys in the environment, and files.
pub(crate) fn run(loaded: &Loaded, shown: bool) -> Result<ExitCode, Error> {
    let problems = problems(&loaded.settings);
    let problems: String = problems.iter().flat_map(|problem| ["\n  - ".to_owned(), problem.to_string()]).collect();
    if !problems.is_empty() {
        return Err(Error::Refused(format!("a server with this configuration would not start:{problems}")));
    }
    for warning in loaded.warnings.iter().chain(&options::warnings(&loaded.settings)) {
        eprintln!("Warning: {warning}");
    }
    if shown {
        // secrets are serialized as asterisks
        let text = serde_json::to_string_pretty(&loaded.settings.effective())
            .map_err(|error| Error::Refused(error.to_string()))?;
        print(&text);
    } else {
        print("The configuration is valid.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Why `serve` would refuse to start.
fn problems(settings: &Settings) -> Vec<Error> {
    let mut found = admin::environment_problems();
    found.extend(settings.http.tls.iter().flat_map(tls_problems));
    found.extend(settings.auth.key_file.iter().filter_map(|path| masters::from_file(path).err()));
    for (key, path) in [("log.output", &settings.log.output), ("log.audit", &settings.log.audit)] {
        found.extend(path.iter().filter_map(|path| appendable(path).map_err(Error::file_of(key, path)).err()));
    }
    found
}

fn tls_problems(tls: &zot_settings::Tls) -> Vec<Error> {
    let files = [
        ("http.tls.cert", Some(&tls.cert)),
        ("http.tls.key", Some(&tls.key)),
        ("http.tls.cacert", tls.cacert.as_ref()),
    ];
    let unread = |(key, path): (&'static str, Option<&std::path::PathBuf>)| {
        path.and_then(|path| File::open(path).map_err(Error::file_of(key, path)).err())
    };
    let unread: Vec<_> = files.into_iter().filter_map(unread).collect();
    if unread.is_empty() {
        return Tls::open(serve::tls_files(tls)).err().map(Error::from).into_iter().collect();
    }
    unread
}

/// Whether `serve` could append to this file. Creates and changes nothing.
fn appendable(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(access(parent(path), Access::WRITE_OK | Access::EXEC_OK)?)
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn schema() -> Result<ExitCode, Error> {
    let text = serde_json::to_string_pretty(&json_schema()).map_err(|error| Error::Refused(error.to_string()))?;
    print(&text);
    Ok(ExitCode::SUCCESS)
}
