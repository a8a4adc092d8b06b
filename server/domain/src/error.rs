//! Errors of use cases. The common errors are here; each noun has its own enum, which contains the common ones. Each
//! API maps them to a status and a code, in one exhaustive `match` per enum.

mod administration;
mod artifact;
mod object;

use zot_core::Invalid;

pub use administration::AdministrationError;
pub use artifact::ArtifactError;
pub use object::ObjectError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that may be a common one.
pub trait MayBeCommon: std::error::Error + From<Error> + Send + Sync + 'static {
    /// The common error, if it is one.
    fn common(&self) -> Option<&Error>;
}

impl MayBeCommon for Error {
    fn common(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Errors of any request. Texts are for clients: they contain no internals, and say what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A malformed text of the client.
    #[error(transparent)]
    Invalid(Invalid),
    /// The request body is larger than allowed.
    #[error("the content is larger than the limit of {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    #[error("the request body is not as long as announced")]
    BodyIncomplete,
    #[error("{0}")]
    BodyMismatch(String),
    /// Nothing is served at this path.
    #[error("{0}")]
    NotFound(String),
    /// A query parameter or header with a value out of its range.
    #[error("{0}")]
    ParameterInvalid(String),
    #[error("authentication required")]
    Unauthenticated,
    /// The credentials are wrong, expired or for another store.
    #[error("{0}")]
    CredentialsInvalid(String),
    #[error("{0}")]
    CredentialsExpired(String),
    #[error("{0}")]
    Denied(String),
    /// The token's scope does not cover this, but the principal's rights do: a new token with that scope helps.
    #[error("{0}")]
    InsufficientScope(String),
    /// A part of a protocol that this store does not have.
    #[error("{0}")]
    NotImplemented(String),
    /// The store does not do this, or not to this artifact.
    #[error("{0}")]
    Unsupported(String),
    /// A concurrency limit; retry later.
    #[error("{0}")]
    TooManyRequests(String),
    /// The database, blob storage or identity provider is unavailable; retry later.
    #[error("{component} is not available")]
    Unavailable {
        /// `metadata_store`, `storage` or `identity_provider`.
        component: &'static str,
        /// For the log only.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The write lost a race; a retry resolves it.
    #[error("the write met a concurrent change; retry")]
    Conflict,
    /// A fault of the store. The text is for the log, never for clients.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Seconds after which a retry may succeed. None if it would fail again.
    pub fn retry_after_secs(&self) -> Option<u32> {
        matches!(self, Self::Unavailable { .. } | Self::Conflict | Self::TooManyRequests(_)).then_some(5)
    }

    pub fn database(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { component: "metadata_store", source: Box::new(source) }
    }

    pub fn storage(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { component: "storage", source: Box::new(source) }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Parameter(why) => Self::ParameterInvalid(why),
            other => Self::Invalid(other),
        }
    }
}
