//! Why a reconciliation, or the operator itself, failed.

use std::net::SocketAddr;
use std::time::Duration;

use zot_crds::status::{ConditionType, Reason};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The user has to correct something, or to wait. It is reported in the store's conditions.
    #[error(transparent)]
    Refused(#[from] StoreRefusal),
    /// A flag or an environment variable is invalid.
    #[error("{0}")]
    Argument(String),
    /// The API server refused a request, or could not be reached.
    #[error("{doing}: {source}")]
    Api { doing: String, source: Box<kube::Error> },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the lease was lost: another replica may be the leader now, so this one exits")]
    LeaseLost,
    #[error("the reconciliation was stopped after {} s", .0.as_secs())]
    TooLong(Duration),
    #[error("{0}")]
    Internal(String),
}

/// Why the operator does not create a store's objects yet, as a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct StoreRefusal {
    /// The condition that becomes false.
    pub(crate) condition: ConditionType,
    pub(crate) reason: Reason,
    /// What is wrong, and what the user has to do.
    pub(crate) message: String,
}

impl StoreRefusal {
    pub(crate) fn new(condition: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self { condition, reason, message: message.into() }
    }
}

/// Whether the API server accepts no new objects in a namespace because the namespace is being deleted.
pub(crate) fn is_namespace_terminating(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains("is being terminated"))
}

impl Error {
    /// `doing` describes the request, such as "reading the Deployment".
    pub(crate) fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Api { doing, source: Box::new(source) }
    }
}
