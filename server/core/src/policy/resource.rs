//! Resources of actions.

use crate::name::RepositoryName;

/// The resource of an action.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A repository and everything in it.
    Repository(&'a RepositoryName),
    /// A bucket and its settings.
    Bucket(&'a str),
    /// An object: bucket and key.
    Object(&'a str, &'a str),
    /// An area of the store outside of namespaces, such as `audit` or `policies`.
    System(&'a str),
}

impl Resource<'_> {
    /// The text in messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository {name}"),
            Self::Bucket(name) => format!("bucket {name}"),
            Self::Object(bucket, key) => format!("object {bucket}/{key}"),
            Self::System(area) => format!("system:{area}"),
        }
    }
}

/// The kind of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A bucket or an object in it.
    Object,
    Repository,
    System,
}
