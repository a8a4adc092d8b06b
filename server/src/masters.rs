//! The master keys by which secrets in the database, sessions and registry tokens are protected: from a file, which may be
//! a mounted Secret, from the data directory, or out of the admin's secret. What is protected how is in `zot-identity`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zot_settings::Settings;
use zot_store::Dialect;

use crate::error::Error;

/// Shortest master key that is taken from a file.
const LENGTH_MIN: usize = 32;
const FILE: &str = "master-key";

/// Where master keys come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A file, one a line, the one in use first.
    File(PathBuf),
    /// The admin's secret, where replicas share nothing else.
    Admin(String),
}

impl Origin {
    /// By the settings. A store on SQLite makes a key of its own at its first start.
    pub(crate) fn of(settings: &Settings, dialect: Dialect, admin_secret: &str) -> Result<Self, Error> {
        if let Some(file) = &settings.auth.key_file {
            return Ok(Self::File(file.clone()));
        }
        if dialect == Dialect::Postgres {
            return Ok(Self::Admin(admin_secret.to_owned()));
        }
        let path = settings.storage.root_directory.join(FILE);
        if !path.exists() {
            make(&path)?;
        }
        let mode = std::fs::metadata(&path).map_err(Error::file(&path))?.permissions().mode();
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(Error::Refused(format!("{path} can be read by others than its owner: run `chmod 600 {path}`")));
        }
        Ok(Self::File(path))
    }

    /// As [`Origin::of`], of what is there already; none if it is not.
    pub(crate) fn known(settings: &Settings, dialect: Dialect) -> Result<Option<Self>, Error> {
        let root = &settings.storage.root_directory;
        if settings.auth.key_file.is_none() && dialect == Dialect::Sqlite && !root.join(FILE).exists() {
            return Ok(None);
        }
        let secret = crate::admin::known_secret(root)?;
        if settings.auth.key_file.is_none() && dialect == Dialect::Postgres && secret.is_none() {
            return Ok(None);
        }
        Self::of(settings, dialect, &secret.unwrap_or_default()).map(Some)
    }

    /// The keys as they are now, the one in use first.
    pub(crate) fn read(&self) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Admin(secret) => Ok(vec![secret.clone().into_bytes()]),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(Error::file_of("auth.keyFile", path))?;
                keys(&text).map_err(|why| Error::Refused(format!("auth.keyFile: {}: {why}", path.display())))
            }
        }
    }
}

fn keys(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.iter().position(|line| line.len() < LENGTH_MIN) {
        Some(at) => {
            Err(format!("key {} has fewer than {LENGTH_MIN} characters; `openssl rand -hex 32` makes one", at + 1))
        }
        None if lines.is_empty() => Err("it holds no key; `openssl rand -hex 32` makes one".to_owned()),
        None => Ok(lines.into_iter().map(|line| line.as_bytes().to_vec()).collect()),
    }
}

fn make(path: &Path) -> Result<(), Error> {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))?;
    file.write_all(format!("{}{}\n", random(), random()).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_a_line_and_none_too_short() {
        let (one, two) = ("1".repeat(32), "2".repeat(40));
        assert_eq!(keys(&format!("{one}\n\n {two} \n")).unwrap(), [one.as_bytes(), two.as_bytes()]);
        assert!(keys(&format!("{one}\nshort\n")).unwrap_err().contains("key 2"));
        assert!(keys("\n").is_err());
    }
}
