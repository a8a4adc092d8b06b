//! What can go wrong. The common errors are here; those of one noun are in their own enum, with the common ones within it.
//! Each API maps those that it can meet to a status and a code, in one exhaustive `match` per enum.

mod administration;
mod artifact;
mod object;

use zot_core::Invalid;

pub use administration::AdministrationError;
pub use artifact::ArtifactError;
pub use object::ObjectError;

/// The result of a use case or a port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that may be a common one.
pub trait MayBeCommon: std::error::Error + From<Error> + Send + Sync + 'static {
    /// The common error that it is, if it is one.
    fn common(&self) -> Option<&Error>;
}

impl MayBeCommon for Error {
    fn common(&self) -> Option<&Error> {
        Some(self)
    }
}

/// What any request may meet. Texts are for clients: they hold no internals, and say what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text of the client that its grammar does not allow.
    #[error(transparent)]
    Invalid(Invalid),
    /// The request body is larger than allowed.
    #[error("the content is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The request body ended early or its length was not as announced.
    #[error("the request body is not as long as announced")]
    BodyIncomplete,
    /// The body is not what its signature or its framing says.
    #[error("{0}")]
    BodyMismatch(String),
    /// Nothing is served at this path.
    #[error("{0}")]
    NotFound(String),
    /// A query parameter or header with a value out of its range.
    #[error("{0}")]
    ParameterInvalid(String),
    /// The principal is anonymous and what it asks needs an identity.
    #[error("authentication required")]
    Unauthenticated,
    /// The credentials are wrong, expired or not for this store.
    #[error("{0}")]
    CredentialsInvalid(String),
    /// The credentials were good, until they expired.
    #[error("{0}")]
    CredentialsExpired(String),
    /// The principal may not do this.
    #[error("{0}")]
    Denied(String),
    /// The principal may do this, but its token's scope does not cover it: a token of that scope would.
    #[error("{0}")]
    InsufficientScope(String),
    /// Part of a protocol that this store does not have.
    #[error("{0}")]
    NotImplemented(String),
    /// The store does not do this, or not to this artifact.
    #[error("{0}")]
    Unsupported(String),
    /// Too much of something at once; retry later.
    #[error("{0}")]
    TooManyRequests(String),
    /// The database or the blob storage cannot be reached; retry later.
    #[error("{component} is not available")]
    Unavailable {
        /// `metadata_store`, `storage` or `identity_provider`.
        component: &'static str,
        /// For the log only.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write lost a race in a way that a new attempt resolves.
    #[error("the write met a concurrent change; retry")]
    Conflict,
    /// A fault of the store. The text is for the log, never for clients.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Seconds after which a new attempt may succeed; none where it would fail alike.
    pub fn retry_after_secs(&self) -> Option<u32> {
        matches!(self, Self::Unavailable { .. } | Self::Conflict | Self::TooManyRequests(_)).then_some(5)
    }

    /// An [`Error::Unavailable`] of the database.
    pub fn database(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { component: "metadata_store", source: Box::new(source) }
    }

    /// An [`Error::Unavailable`] of the blob storage.
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
