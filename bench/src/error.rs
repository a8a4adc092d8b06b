//! Errors that end a run. A failed benchmark prints no figures.

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A server gave a wrong answer.
    #[error("{0}")]
    Answer(String),
    /// A server could not be started, or something that the run needs is missing.
    #[error("{0}")]
    Setup(String),
    /// A file, a process or a connection failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// A report that cannot be written as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// An I/O error, with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A result of this crate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
