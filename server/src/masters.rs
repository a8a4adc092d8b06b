//! The master keys that protect secrets in the database, sessions and registry tokens: from a file, which may be a
//! mounted Secret, from the data directory, or derived from the admin's secret. `zot-identity` uses them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zot_settings::Settings;
use zot_store::Dialect;

use crate::error::{Error, quoted};
use crate::random;

const FILE: &str = "master-key";

/// The sources of master keys. The first has the key in use; the others decrypt what was encrypted before
/// `auth.keyFile` was set.
#[derive(Clone)]
pub(crate) struct Origin {
    used: Source,
    older: Vec<Source>,
}

#[derive(Clone)]
enum Source {
    /// A file with one key a line, the key in use first.
    File(PathBuf),
    /// The admin's secret: replicas on Postgres share nothing else.
    Admin(String),
}

impl Origin {
    /// The configured sources. A store on SQLite creates a key at its first start, but never for a database with
    /// content that an earlier key encrypted or signed (`needs_master_key`).
    pub(crate) fn of(
        settings: &Settings,
        dialect: Dialect,
        admin_secret: &str,
        needs_master_key: bool,
    ) -> Result<Self, Error> {
        let own = settings.storage.root_directory.join(FILE);
        let admin = || Source::Admin(admin_secret.to_owned());
        let used = match (&settings.auth.key_file, dialect) {
            (Some(file), Dialect::Postgres) => {
                return Ok(Self { used: Source::File(file.clone()), older: vec![admin()] });
            }
            (Some(file), Dialect::Sqlite) => {
                let older = own.exists().then_some(Source::File(own)).into_iter().collect();
                return Ok(Self { used: Source::File(file.clone()), older });
            }
            (None, Dialect::Postgres) => admin(),
            (None, Dialect::Sqlite) => {
                if !own.exists() && needs_master_key {
                    return Err(missing(&own));
                }
                if !own.exists() {
                    make(&own)?;
                }
                let mode = std::fs::metadata(&own).map_err(Error::file(&own))?.permissions().mode();
                if mode & 0o077 != 0 {
                    let path = own.display();
                    return Err(Error::Refused(format!("other users can read {path}: run `chmod 600 {path}`")));
                }
                Source::File(own)
            }
        };
        Ok(Self { used, older: Vec::new() })
    }

    /// As [`Origin::of`], but creates nothing. None if there is no key yet.
    pub(crate) fn known(settings: &Settings, dialect: Dialect) -> Result<Option<Self>, Error> {
        let root = &settings.storage.root_directory;
        if settings.auth.key_file.is_none() && dialect == Dialect::Sqlite && !root.join(FILE).exists() {
            return Ok(None);
        }
        let secret = crate::admin::known_secret(root)?;
        if settings.auth.key_file.is_none() && dialect == Dialect::Postgres && secret.is_none() {
            return Ok(None);
        }
        Self::of(settings, dialect, &secret.unwrap_or_default(), true).map(Some)
    }

    /// Reads the keys, the key in use first.
    pub(crate) fn read(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut all = self.used.read()?;
        for source in &self.older {
            // the file may be deleted once nothing needs its keys
            if matches!(source, Source::File(path) if !path.exists()) {
                continue;
            }
            let found = source.read()?;
            let new: Vec<_> = found.into_iter().filter(|key| !key.is_empty() && !all.contains(key)).collect();
            all.extend(new);
        }
        Ok(all)
    }
}

impl Source {
    fn read(&self) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Admin(secret) => Ok(vec![secret.clone().into_bytes()]),
            Self::File(path) => from_file(path),
        }
    }
}

/// The keys in the file of `auth.keyFile`.
pub(crate) fn from_file(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Refused(format!(
            "auth.keyFile: {shown}: {error}; restore the file, or create it before the first start with \
             `(umask 077; openssl rand -hex 32 > {})`, or correct auth.keyFile",
            quoted(&path.to_string_lossy())
        )),
        _ => Error::file_of("auth.keyFile", path)(error),
    })?;
    keys(&text).map_err(|why| Error::Refused(format!("auth.keyFile: {shown}: {why}")))
}

fn missing(path: &Path) -> Error {
    let path = path.display();
    Error::Refused(format!(
        "{path} is missing, and content of the database was encrypted and signed with this key: restore the file from the backup. \
         If it is lost, create a new one with `(umask 077; openssl rand -hex 32 > {path})`: then access keys have to be created \
         again, and older signatures of the audit trail cannot be verified"
    ))
}

/// See [`zot_settings::master_keys`].
fn keys(text: &str) -> Result<Vec<Vec<u8>>, String> {
    Ok(zot_settings::master_keys(text)?.into_iter().map(|key| key.as_bytes().to_vec()).collect())
}

fn make(path: &Path) -> Result<(), Error> {
    let key = random::hex::<32>()?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))?;
    file.write_all(format!("{key}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_a_line_and_the_first_not_too_short() {
        let (one, two) = ("1".repeat(32), "2".repeat(40));
        assert_eq!(keys(&format!("{one}\n\n {two} \n")).unwrap(), [one.as_bytes(), two.as_bytes()]);
        assert_eq!(keys(&format!("{one}\nshort\n")).unwrap(), [one.as_bytes(), b"short"]);
        assert!(keys(&format!("short\n{one}\n")).unwrap_err().contains("the first key"));
        assert!(keys("\n").is_err());
    }

    #[test]
    fn earlier_keys_stay_behind_the_keys_of_a_new_file() {
        let dir = std::env::temp_dir().join(format!("zot-masters-{}", zot_core::ambient::random_id()));
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("keys");
        std::fs::write(&file, "n".repeat(32)).unwrap();
        let mut settings = Settings::default();
        settings.storage.root_directory.clone_from(&dir);
        let read = |settings: &Settings, dialect, closed| Origin::of(settings, dialect, "admin", closed)?.read();
        assert_eq!(read(&settings, Dialect::Postgres, true).unwrap(), [b"admin"]);
        let why = read(&settings, Dialect::Sqlite, true).unwrap_err().to_string();
        assert!(why.contains("master-key is missing"), "{why}");
        let own = read(&settings, Dialect::Sqlite, false).unwrap();
        assert_eq!(read(&settings, Dialect::Sqlite, true).unwrap(), own);
        settings.auth.key_file = Some(file);
        assert_eq!(read(&settings, Dialect::Postgres, true).unwrap(), ["n".repeat(32).as_bytes(), b"admin"]);
        assert_eq!(read(&settings, Dialect::Sqlite, true).unwrap(), ["n".repeat(32).as_bytes(), own[0].as_slice()]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
