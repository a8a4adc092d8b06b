//! `migrate-config`: translates a configuration of zot into one of this store, and its access control into policies.

mod access;
mod pattern;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};
use zot_core::policy::Policy;
use zot_settings::{FromZot, from_zot};

use self::access::{AccessControl, Migrated};
use super::print;
use crate::error::Error;

pub(super) fn run(file: &Path, config_out: Option<&Path>, policies_out: Option<&Path>) -> Result<ExitCode, Error> {
    let zot = from_zot(file)?;
    let migrated = migrate(&zot, file)?;
    if let Some(path) = config_out.filter(|path| path.exists()) {
        let path = path.display();
        return Err(Error::Refused(format!(
            "the file {path} exists: delete it, or name another one with --config-out"
        )));
    }
    if let Some(directory) = policies_out {
        prepare(directory)?;
    }
    let config = serde_saphyr::to_string(&zot.config).map_err(|error| Error::Refused(error.to_string()))?;
    match config_out {
        // it may contain secrets
        Some(path) => write(path, &config)?,
        None => print(config.trim_end()),
    }
    write_policies(&migrated.policies, policies_out)?;
    let left_out = zot.left_out.iter().map(|problem| format!("left out `{}`: {}", problem.path, problem.advice()));
    for warning in left_out.chain(migrated.warnings) {
        eprintln!("Warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Translates access control. Without it, zot allows authenticated users everything.
fn migrate(zot: &FromZot, file: &Path) -> Result<Migrated, Error> {
    let users = users(&zot.auth);
    let wrong = |why| Error::Refused(format!("{}: http.accessControl: {why}; correct it there", file.display()));
    let mut migrated = match &zot.access_control {
        Some(given) => AccessControl::read(given).map_err(wrong)?.policies(&users)?,
        None if zot.auth.is_empty() || zot.auth.contains_key("bearer") => Migrated::default(),
        None => AccessControl::everything_for_the_authenticated().policies(&users)?,
    };
    if zot.auth.contains_key("bearer") {
        migrated.warnings.push(
            "zot left access control to the token server of http.auth.bearer: write policies for what it allowed"
                .to_owned(),
        );
    }
    if zot.config.pointer("/http/tls/cacert").is_some() {
        migrated.warnings.push(
            "zot reads a user's name from the client's certificate; this server does not: give these users access keys"
                .to_owned(),
        );
    }
    if zot.config.pointer("/storage/rootDirectory").is_some() {
        migrated.warnings.push(
            "storage.rootDirectory: artifacts are not migrated; copy them with `skopeo sync`, and change the directory if zot \
             keeps using it"
                .to_owned(),
        );
    }
    Ok(migrated)
}

/// The users in the password file, if it exists here: zot knows others only if `accessControl` names them.
fn users(auth: &Map<String, Value>) -> Vec<String> {
    let path = auth.get("htpasswd").and_then(|htpasswd| htpasswd.get("path")).and_then(Value::as_str);
    let text = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

/// One JSON document for each policy: files in a directory, or lines after `---`, which make the output a YAML stream.
fn write_policies(policies: &[Policy], directory: Option<&Path>) -> Result<(), Error> {
    let Some(directory) = directory else {
        for policy in policies {
            print(&format!("---\n{}", document(policy)?));
        }
        return Ok(());
    };
    for (number, policy) in policies.iter().enumerate() {
        // in the order in which they must be sent
        let path = directory.join(format!("{:03}-{}.json", number + 1, policy.id));
        write(&path, &document(policy)?)?;
    }
    Ok(())
}

/// Creates the directory of policies.
fn prepare(directory: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory).map_err(Error::file(directory))?;
    if fs::read_dir(directory).map_err(Error::file(directory))?.next().is_some() {
        return Err(Error::Refused(format!(
            "the directory {} is not empty: delete it, or name another one with --policies-out",
            directory.display()
        )));
    }
    Ok(())
}

fn document(policy: &Policy) -> Result<String, Error> {
    serde_json::to_string(policy).map_err(|error| Error::Refused(error.to_string()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    file.and_then(|mut file| writeln!(file, "{}", text.trim_end())).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_says_which_file_is_there_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(
            at("zot.json"),
            r#"{"http": {"accessControl": {"repositories": {"**": {"defaultPolicy": ["read"]}}}}}"#,
        )
        .unwrap();
        let (config, policies) = (at("store.yaml"), at("policies"));
        let again = |config: &Path, policies: &Path| {
            run(&at("zot.json"), Some(config), Some(policies)).map_err(|error| error.to_string())
        };
        again(&config, &policies).unwrap();
        let text = again(&config, &policies).unwrap_err();
        for wanted in [&*config.to_string_lossy(), "exists", "delete it", "--config-out"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        let text = again(&at("other.yaml"), &policies).unwrap_err();
        for wanted in [&*policies.to_string_lossy(), "not empty", "--policies-out"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!at("other.yaml").exists(), "nothing is written by a run that fails");
    }
}
