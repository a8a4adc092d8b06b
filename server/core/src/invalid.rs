//! Errors in a client's text. The messages are for clients, and say what was expected.

/// The result of parsing a client's text.
pub type Result<T, E = Invalid> = std::result::Result<T, E>;

/// The kind of invalid text, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A repository name that the distribution spec does not allow.
    #[error("invalid repository name: {0}")]
    Repository(String),
    /// A tag that the distribution spec does not allow.
    #[error("invalid tag: {0}")]
    Tag(String),
    /// A digest that is malformed or of an unknown algorithm.
    #[error("{0}")]
    Digest(String),
    /// An OCI manifest or index that breaks the image spec.
    #[error("manifest invalid: {0}")]
    Manifest(String),
    /// An invalid bucket name.
    #[error("invalid bucket name: {0}")]
    Bucket(String),
    /// An object key that no listing could show.
    #[error("{0}")]
    Key(String),
    /// An empty object key, or one of more than 1,024 bytes.
    #[error("a key has 1 to 1,024 bytes")]
    KeyTooLong,
    /// A checksum that is malformed.
    #[error("{0}")]
    Checksum(String),
    /// A field of a policy, or another parameter, with a value that is not allowed.
    #[error("{0}")]
    Parameter(String),
    /// A bucket policy that is malformed, or that this store does not support.
    #[error("the policy is not accepted: {0}")]
    Policy(String),
    /// A saved hash state of another format.
    #[error("the saved hash state has another format")]
    HashState,
}
