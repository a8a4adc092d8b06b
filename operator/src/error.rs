//! What can go wrong in the operator itself. What is wrong with a resource is a [`crate::validate::Refusal`], and no error.

/// Why a reconciliation, or the operator, failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A flag or a variable makes no sense.
    #[error("{0}")]
    Argument(String),
    /// The API server refused, or was not there.
    #[error("{doing}: {source}")]
    Api {
        /// What was being done.
        doing: String,
        /// What came of it.
        source: Box<kube::Error>,
    },
    /// Nothing could listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The lease was lost: another replica may be at work.
    #[error("the lease was lost; ending, so that there are never two at work")]
    LeaseLost,
    /// One reconciliation took too long.
    #[error("not done after {} s", .0.as_secs())]
    TooLong(std::time::Duration),
    /// What should not happen.
    #[error("{0}")]
    Internal(String),
}

/// Whether the API server takes nothing new into a namespace, as it is being deleted.
pub(crate) fn namespace_goes(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains("is being terminated"))
}

impl Error {
    /// Whether a namespace that is being deleted is the reason.
    pub(crate) fn is_of_a_namespace_that_goes(&self) -> bool {
        matches!(self, Self::Api { source, .. } if namespace_goes(source))
    }

    /// An answer of the API server, with what was being done.
    pub(crate) fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Api { doing, source: Box::new(source) }
    }
}
