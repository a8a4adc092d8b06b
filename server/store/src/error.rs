//! Database errors, by what to do about them.

use zot_core::Invalid;
use zot_domain::{AdministrationError, ArtifactError, Error, MayBeCommon, ObjectError};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("database.url must begin with sqlite:, postgres: or postgresql:")]
    Scheme,
    /// The database is unreachable or refused the login.
    #[error("cannot open the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("cannot bring the schema up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema is newer, and this server is too old for it.
    #[error(
        "the database schema (version {schema}) needs a server of schema version {min_server} or newer; this one has {ours}: upgrade the server"
    )]
    TooNew {
        schema: i64,
        /// Schema version of the oldest server that can serve it.
        min_server: i64,
        /// Schema version of this server.
        ours: i64,
    },
    #[error(
        "the database schema (version {schema}) is older than this server's ({ours}): run `zot-artifact-store migrate`"
    )]
    TooOld {
        schema: i64,
        /// Schema version of this server.
        ours: i64,
    },
}

/// What is wrong with the file of an SQLite database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// It cannot be opened or created.
    Unopened,
    ReadOnly,
    /// It is damaged, or is another kind of file.
    Damaged,
}

/// SQLSTATEs of a wrong user or password.
const AUTH_FAILED: [&str; 2] = ["28P01", "28000"];

impl OpenError {
    /// Whether the database refused the user or the password.
    pub fn is_denied(&self) -> bool {
        let Self::Database(sqlx::Error::Database(said)) = self else { return false };
        said.code().is_some_and(|code| AUTH_FAILED.contains(&code.as_ref()))
    }

    /// Whether no database server answers.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut))
    }

    /// What SQLite says about its file.
    pub fn file_fault(&self) -> Option<FileFault> {
        let Self::Database(sqlx::Error::Database(said)) = self else { return None };
        let code = said.code()?;
        // an SQLSTATE of Postgres has five characters; SQLite's extended codes have the primary code in the low byte
        match code.parse::<u32>().ok().filter(|_| code.len() < 5)? & 0xff {
            8 => Some(FileFault::ReadOnly),
            14 => Some(FileFault::Unopened),
            11 | 26 => Some(FileFault::Damaged),
            _ => None,
        }
    }

    /// Whether the database has no schema: no server ran on it yet.
    pub fn is_empty(&self) -> bool {
        let Self::Database(sqlx::Error::Database(said)) = self else { return false };
        // undefined_table; SQLite has no code for it
        said.code().is_some_and(|code| code == "42P01") || said.message().starts_with("no such table")
    }

    /// Whether the server has no such database.
    pub fn is_absent(&self) -> bool {
        let Self::Database(sqlx::Error::Database(said)) = self else { return false };
        // invalid_catalog_name
        said.code().is_some_and(|code| code == "3D000")
    }
}

/// Why a transaction did not commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TxError<E: MayBeCommon = Error> {
    /// The use case refused it: do not retry.
    #[error(transparent)]
    Refused(E),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// SQLSTATE classes and codes after which a retry may succeed: serialization failure, deadlock, lock not available, and
/// a foreign key that a concurrent delete broke.
const RETRYABLE: [&str; 4] = ["40001", "40P01", "55P03", "23503"];
/// SQLSTATEs of a server that shuts down, is full, or has not started yet.
const UNAVAILABLE: [&str; 6] = ["57P01", "57P02", "57P03", "53300", "53400", "25006"];
/// SQLite: busy, locked, foreign key violated.
const SQLITE_RETRYABLE: [&str; 4] = ["5", "6", "787", "517"];

/// Whether to retry the whole transaction.
pub(crate) fn is_retryable(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| RETRYABLE.contains(&&*code) || SQLITE_RETRYABLE.contains(&&*code))
}

/// Whether a foreign key prevented a delete or an insert.
pub(crate) fn is_broken_reference(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

/// Whether the connection was lost, so that a COMMIT may or may not have happened.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(_) => {
            code(error).is_some_and(|code| code.starts_with("08") || UNAVAILABLE.contains(&&*code))
        }
        _ => false,
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

/// The domain's error for a database error.
pub(crate) fn to_domain(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Error::database(error),
        _ if is_lost(&error) => Error::database(error),
        _ if is_retryable(&error) => Error::Conflict,
        _ if code(&error).is_some_and(|c| c == "22021") => {
            Error::ParameterInvalid("a text of the request contains a NUL, which is not allowed".to_owned())
        }
        // a full disk under SQLite (13) or Postgres (53100) is the operator's to fix: the client may retry
        _ if code(&error).is_some_and(|c| c == "13" || c == "10" || c == "53100" || c == "57014") => {
            Error::database(error)
        }
        _ => Error::Internal(format!("database: {error}")),
    }
}

impl<E: MayBeCommon> From<Invalid> for TxError<E> {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(Error::from(invalid).into())
    }
}

impl From<Error> for TxError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<TxError> for Error {
    fn from(error: TxError) -> Self {
        error.into_domain()
    }
}

impl<E: MayBeCommon> TxError<E> {
    /// The error for the use case.
    pub(crate) fn into_domain(self) -> E {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => to_domain(error).into(),
        }
    }
}

/// Lets a write refuse with a noun's own error and use the steps and errors that all writes have.
macro_rules! refuses_as {
    ($($error:ty),*) => {$(
        impl From<$error> for TxError<$error> {
            fn from(error: $error) -> Self {
                Self::Refused(error)
            }
        }

        impl From<Error> for TxError<$error> {
            fn from(error: Error) -> Self {
                Self::Refused(error.into())
            }
        }

        impl From<TxError> for TxError<$error> {
            fn from(error: TxError) -> Self {
                match error {
                    TxError::Refused(error) => Self::Refused(error.into()),
                    TxError::Sql(error) => Self::Sql(error),
                }
            }
        }
    )*};
}

refuses_as!(AdministrationError, ArtifactError, ObjectError);
