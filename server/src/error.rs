//! Errors of commands. Each text says what failed, why, and what to change.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zot_settings::{Secret, Settings};
use zot_store::FileFault;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Settings(#[from] zot_settings::ConfigError),
    #[error("{text}")]
    Database {
        text: String,
        #[source]
        source: zot_store::OpenError,
    },
    #[error(transparent)]
    Schema(#[from] zot_store::OpenError),
    #[error(transparent)]
    Storage(#[from] zot_blobs::OpenError),
    #[error("{source}{hint}")]
    Preflight {
        #[source]
        source: zot_blobs::PreflightError,
        hint: String,
    },
    #[error("{0}")]
    Store(String),
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot listen on {address}: {source}; {}", listen_remedy(.source, .key))]
    Listen {
        address: String,
        key: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Tls(#[from] zot_gateway::listen::tls::TlsError),
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// The file of a configuration key, or of the key's default.
    pub(crate) fn file_of(key: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| {
            Self::Refused(format!("{key}: {}: {source}; {}", path.display(), file_remedy(&source, key, &path)))
        }
    }

    /// The file of a command's argument, such as `--report`.
    pub(crate) fn file_of_argument(argument: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| {
            let remedy = file_remedy(&source, argument, path);
            Self::Refused(format!("{argument} {}: {source}; {remedy}", path.display()))
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn database(url: &Secret) -> impl FnOnce(zot_store::OpenError) -> Self {
        let (url, shown) = (url.clone(), shown_url(url));
        move |source| {
            let said = source.to_string();
            // Postgres adds the line in its own source
            let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
            let name = shown.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, name)| name);
            let text = match source.file_fault() {
                Some(fault) => format!("{shown}: {said}; {}", file_fault_remedy(fault, sqlite_file(&url).as_deref())),
                None => format!("{shown}: {said}{}", database_remedy(&source, name)),
            };
            Self::Database { text, source }
        }
    }

    pub(crate) fn preflight(settings: &Settings) -> impl FnOnce(zot_blobs::PreflightError) -> Self {
        let driver = settings.storage.storage_driver.as_ref();
        let guessed = driver.filter(|driver| driver.secure.is_none()).and_then(|driver| driver.endpoint.as_deref());
        let hint = guessed.filter(|endpoint| !endpoint.contains("://")).map(|endpoint| {
            format!(
                "; storage.storageDriver.endpoint: {endpoint} has no scheme, so HTTPS was used: write http://{endpoint} if the \
                 server speaks plain HTTP, else https://{endpoint}"
            )
        });
        move |source| Self::Preflight { source, hint: hint.unwrap_or_default() }
    }
}

/// What to do about a file that cannot be opened. `key` names it: a configuration key, or an argument.
fn file_remedy(error: &std::io::Error, key: &str, path: &Path) -> String {
    match (error.kind(), parent(path)) {
        (ErrorKind::NotFound, directory) if !directory.is_dir() => {
            format!("the directory {} does not exist: create the directory, or correct {key}", directory.display())
        }
        (ErrorKind::NotFound, _) => format!("create the file, or correct {key}"),
        (ErrorKind::PermissionDenied, _) => format!("give this process's user the right to use it, or correct {key}"),
        _ => format!("correct {key}"),
    }
}

/// The directory of a file.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `name` is the database's, as the URL has it.
fn database_remedy(error: &zot_store::OpenError, name: &str) -> String {
    if error.is_denied() {
        "; correct the user and the password in database.url".to_owned()
    } else if error.is_absent() {
        absent_remedy(name)
    } else if error.is_unreachable() {
        "; check that the database server runs there and accepts connections, and database.url".to_owned()
    } else {
        String::new()
    }
}

fn absent_remedy(name: &str) -> String {
    if name.is_empty() {
        return "; database.url names no database, so the user's name was tried: write postgres://user:password@host/name"
            .to_owned();
    }
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    format!("; create it with `createdb {}`, or correct database.url", quoted(&name))
}

fn file_fault_remedy(fault: FileFault, file: Option<&Path>) -> String {
    let directory = file.map_or(Path::new("."), parent);
    let keys = "storage.rootDirectory or database.url";
    match fault {
        FileFault::Unopened if !directory.is_dir() => {
            format!("the directory {} does not exist: create the directory, or correct {keys}", directory.display())
        }
        FileFault::Unopened => {
            format!("give this process's user the right to read and write the file, or correct {keys}")
        }
        FileFault::ReadOnly => format!(
            "give this process's user the right to write the file and its directory {} (`ls -ld` shows their owners), or \
             correct {keys}",
            directory.display()
        ),
        FileFault::Damaged => format!("restore it from a backup, or correct {keys} if it is another file"),
    }
}

/// Quotes a word for a shell.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn listen_remedy(error: &std::io::Error, key: &str) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: set {key} to 1024 or more, or give the process the \
             capability (`AmbientCapabilities=CAP_NET_BIND_SERVICE` in a systemd unit)"
        ),
        ErrorKind::AddrInUse => format!("another process listens there: stop it, or set another {key}"),
        ErrorKind::AddrNotAvailable => "no interface of this machine has this address: correct http.address".to_owned(),
        _ => format!("correct http.address or {key}"),
    }
}

/// Clients do not see the cause, but the operator who runs the command does.
impl From<zot_domain::Error> for Error {
    fn from(error: zot_domain::Error) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self::Store(format!("{error}{source}"))
    }
}

pub(crate) fn shown_url(url: &Secret) -> String {
    // the query may contain a password too
    let url = url.expose().split('?').next().unwrap_or_default();
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

/// The path of an SQLite database.
pub(crate) fn sqlite_file(url: &Secret) -> Option<PathBuf> {
    let path = url.expose().strip_prefix("sqlite:")?.trim_start_matches("//");
    // decoded as when the database is opened
    let path = percent_encoding::percent_decode_str(path.split('?').next().unwrap_or_default());
    Some(path.decode_utf8_lossy().into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_names_value_reason_and_remedy() {
        for (code, wanted) in [
            (rustix::io::Errno::ACCESS, "CAP_NET_BIND_SERVICE: set http.port to 1024 or more"),
            (rustix::io::Errno::ADDRINUSE, "another process listens there: stop it, or set another http.port"),
            (rustix::io::Errno::ADDRNOTAVAIL, "correct http.address"),
        ] {
            let error = Error::Listen { address: "127.0.0.1:80".to_owned(), key: "http.port", source: code.into() };
            let text = error.to_string();
            assert!(text.starts_with("cannot listen on 127.0.0.1:80: ") && text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn an_unusable_database_has_a_remedy() {
        assert!(absent_remedy("").contains("database.url names no database"));
        assert!(absent_remedy("a%20b").contains("`createdb 'a b'`"));
        let remedy = |fault| file_fault_remedy(fault, Some(Path::new("/nowhere/x.db")));
        assert!(remedy(FileFault::Unopened).contains("the directory /nowhere does not exist: create"));
        assert!(remedy(FileFault::ReadOnly).contains("right to write the file and its directory /nowhere"));
        assert!(remedy(FileFault::Damaged).contains("restore it from a backup"));
    }

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(["a/b.c-d", "", "a b", "it's"].map(quoted), ["a/b.c-d", "''", "'a b'", r"'it'\''s'"]);
    }

    #[test]
    fn a_shown_url_has_no_password() {
        for (url, shown) in [
            ("postgres://zot:secret@host/db", "postgres://…@host/db"),
            ("postgres://zot@host/db?password=secret", "postgres://…@host/db"),
            ("postgres://host/db?user=zot&password=secret", "postgres://host/db"),
            ("sqlite:/data/metadata.db?mode=rwc", "sqlite:/data/metadata.db"),
        ] {
            assert_eq!(shown_url(&Secret::from(url.to_owned())), shown);
        }
    }
}
