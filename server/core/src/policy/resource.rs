//! What an action is done to.

use crate::name::RepositoryName;

/// What it is done to.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A repository and all in it.
    Repository(&'a RepositoryName),
    /// A bucket and its settings.
    Bucket(&'a str),
    /// An object: bucket and key.
    Object(&'a str, &'a str),
    /// What belongs to no namespace, such as `audit` or `policies`.
    System(&'a str),
}

impl Resource<'_> {
    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository {name}"),
            Self::Bucket(name) => format!("bucket {name}"),
            Self::Object(bucket, key) => format!("object {bucket}/{key}"),
            Self::System(area) => format!("system:{area}"),
        }
    }
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A bucket or an object in it.
    Object,
    /// A repository.
    Repository,
    /// The store itself.
    System,
}
