//! The admin's access key: from the environment, or created by the first start and kept in the data directory. There is
//! no default password.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zot_core::principal::Principal;
use zot_identity::AccessKey;
use zot_store::{Dialect, Store};

use crate::args::program;
use crate::error::{Error, quoted};
use crate::random;

const FILE: &str = "admin-key.json";

#[derive(Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    access_key: String,
    secret_key: String,
}

impl Credentials {
    fn exports(&self, indent: &str) -> String {
        let (access_key, secret_key) = (quoted(&self.access_key), quoted(&self.secret_key));
        format!("{indent}export ZOT_ADMIN_ACCESS_KEY={access_key}\n{indent}export ZOT_ADMIN_SECRET_KEY={secret_key}")
    }
}

/// The output of `admin-key`.
pub(crate) struct Shown {
    pub text: String,
    /// For the terminal, beside output that a shell evaluates.
    pub note: Option<String>,
}

/// The key that a server with this environment and data directory uses. Only `export` shows the secret, in shell
/// commands.
pub(crate) fn shown(data: &Path, export: bool) -> Result<Shown, Error> {
    let path = data.join(FILE);
    if let Some(given) = from_environment("ZOT_ADMIN")? {
        let is_kept = std::fs::read(&path).is_ok_and(|bytes| read(&path, &bytes).is_ok_and(|kept| kept == given));
        let kept = path
            .exists()
            .then(|| format!(", and not the key in {}; unset both variables to see that one", path.display()));
        let note = (!is_kept).then(|| {
            format!(
                "ZOT_ADMIN_ACCESS_KEY and ZOT_ADMIN_SECRET_KEY are set in this environment: a server that is started with them uses \
                 this key{}",
                kept.unwrap_or_default()
            )
        });
        let access_key = &given.access_key;
        let named = || format!("access key  {access_key}\nvariable    ZOT_ADMIN_SECRET_KEY, which has the secret");
        return Ok(Shown { text: if export { given.exports("") } else { named() }, note });
    }
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Refused(format!(
            "{} does not exist: `zot-artifact-store serve` creates it at the first start, unless ZOT_ADMIN_ACCESS_KEY and \
             ZOT_ADMIN_SECRET_KEY are set. If the server runs with another --config or storage.rootDirectory, pass the same here; if \
             it has the key from these variables, use them",
            path.display()
        )),
        _ => unreadable(&path, &error),
    })?;
    let credentials = read(&path, &bytes)?;
    let text = if export {
        credentials.exports("")
    } else {
        format!("access key  {}\nfile        {}, which has the secret", credentials.access_key, path.display())
    };
    Ok(Shown { text, note: None })
}

/// The access keys of the process, the admin's first, and the admin's secret. `needed`: access control is on.
pub(crate) async fn access_keys(data: &Path, store: &Store, needed: bool) -> Result<(Vec<AccessKey>, String), Error> {
    let admin = match from_environment("ZOT_ADMIN")? {
        Some(credentials) => credentials,
        None => kept_or_made(data, store, needed).await?,
    };
    let principal = Principal::break_glass(&subject(&admin.access_key));
    let secret = admin.secret_key.clone();
    let mut keys = vec![AccessKey::new(admin.access_key, admin.secret_key, principal)];
    if let Some(reader) = from_environment("ZOT_READER")? {
        let subject = subject(&reader.access_key);
        let principal = Principal::known(&subject, [subject.clone(), "role:viewer".to_owned()], BTreeMap::new());
        keys.push(AccessKey::new(reader.access_key, reader.secret_key, principal));
    }
    Ok((keys, secret))
}

/// The admin's secret, from which other keys are derived. None before the first start.
pub(crate) fn known_secret(data: &Path) -> Result<Option<String>, Error> {
    let path = data.join(FILE);
    let known = match from_environment("ZOT_ADMIN")? {
        Some(credentials) => Some(credentials),
        None => match std::fs::read(&path) {
            Ok(bytes) => Some(read(&path, &bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path, &error)),
        },
    };
    Ok(known.map(|credentials| credentials.secret_key))
}

pub(crate) fn is_given() -> bool {
    from_environment("ZOT_ADMIN").is_ok_and(|found| found.is_some())
}

fn subject(access_key: &str) -> String {
    format!("key:{access_key}")
}

fn from_environment(prefix: &str) -> Result<Option<Credentials>, Error> {
    let variable = |name: &str| std::env::var(format!("{prefix}_{name}")).ok().filter(|value| !value.is_empty());
    let unset = |given: &str, other: &str| {
        format!("{prefix}_{given} is set, but {prefix}_{other} is not set: set both, or neither")
    };
    match (variable("ACCESS_KEY"), variable("SECRET_KEY")) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::Refused(unset("ACCESS_KEY", "SECRET_KEY"))),
        (None, Some(_)) => Err(Error::Refused(unset("SECRET_KEY", "ACCESS_KEY"))),
        (Some(access_key), Some(secret_key)) => {
            if zot_settings::is_admin_key(&access_key, &secret_key) {
                return Ok(Some(Credentials { access_key, secret_key }));
            }
            Err(Error::Refused(if access_key.contains(':') {
                format!("{prefix}_ACCESS_KEY contains a colon, at which HTTP Basic would end it: set a key without one")
            } else {
                let least = zot_settings::ADMIN_SECRET_MIN;
                format!("{prefix}_SECRET_KEY has fewer than {least} characters; `openssl rand -hex 20` creates one")
            }))
        }
    }
}

/// What is wrong with the access keys in the environment.
pub(crate) fn environment_problems() -> Vec<Error> {
    ["ZOT_ADMIN", "ZOT_READER"].into_iter().filter_map(|prefix| from_environment(prefix).err()).collect()
}

async fn kept_or_made(data: &Path, store: &Store, needed: bool) -> Result<Credentials, Error> {
    let path = data.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => read(&path, &bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&path, store, needed).await,
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    Error::Refused(format!("{path}: {error}; run this as the user that runs the server, or correct the file's owner"))
}

fn read(path: &Path, bytes: &[u8]) -> Result<Credentials, Error> {
    let mode = std::fs::metadata(path).map_err(Error::file(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Error::Refused(format!("other users can read {path}: run `chmod 600 {path}`")));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Refused(format!(
            "{}: {error}: the file is damaged; restore it from a backup, or delete it and start the server again, which creates \
             another key, or set ZOT_ADMIN_ACCESS_KEY and ZOT_ADMIN_SECRET_KEY",
            path.display()
        ))
    })
}

async fn make(path: &Path, store: &Store, needed: bool) -> Result<Credentials, Error> {
    let credentials = Credentials {
        access_key: format!("ZAK{}", &random::hex::<9>()?[..17].to_uppercase()),
        secret_key: random::hex::<20>()?,
    };
    let mut file = create(path)?;
    let text = serde_json::to_vec_pretty(&credentials).unwrap_or_default();
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(Error::file(path))?;
    // replicas on one database must agree on the admin: only one of them may create the key
    if store.dialect() == Dialect::Postgres && !store.claim_admin_generation().await? {
        std::fs::remove_file(path).map_err(Error::file(path))?;
        return Err(Error::Refused(format!(
            "this store's admin key was created on another machine, in its file {FILE}: set ZOT_ADMIN_ACCESS_KEY and \
             ZOT_ADMIN_SECRET_KEY to the same values on every replica"
        )));
    }
    let later = if needed { "" } else { "\nNo client needs it while extensions.rbac.enabled is false." };
    // to the terminal, not to the log, which must never have the secret
    eprintln!(
        "The admin's access key was created, and is kept in {}. To use it in a shell:\n{}\n\
         Later, `eval \"$({} admin-key --export --set {})\"` does the same.{later}",
        path.display(),
        credentials.exports("  "),
        program(),
        root_directory(path),
    );
    Ok(credentials)
}

/// The value of `--set` that names the directory of this file, for a shell in any directory.
fn root_directory(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().unwrap_or(&path);
    quoted(&format!("storage.rootDirectory={}", directory.display()))
}

fn create(path: &Path) -> Result<File, Error> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))
}
