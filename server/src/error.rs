//! Why the server cannot start or a command fails: each text says what to do.

use std::path::PathBuf;

/// The end of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Settings(#[from] zot_settings::ConfigError),
    #[error(transparent)]
    Database(#[from] zot_store::OpenError),
    #[error(transparent)]
    Storage(#[from] zot_blobs::OpenError),
    #[error(transparent)]
    Preflight(#[from] zot_blobs::PreflightError),
    #[error("{0}")]
    Store(String),
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot listen on {address}: {source}; set another {key}, or end what listens there")]
    Listen {
        address: String,
        key: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("http.tls: {0}")]
    Tls(String),
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// A file that a key of the configuration names, or its default.
    pub(crate) fn file_of(key: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Refused(format!("{key}: {}: {source}", path.display()))
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// Unlike for clients, the cause is shown: whoever starts the server has to mend it.
impl From<zot_domain::Error> for Error {
    fn from(error: zot_domain::Error) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self::Store(format!("{error}{source}"))
    }
}
