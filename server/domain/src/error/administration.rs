//! Errors of policies, accounts and access keys.

use zot_core::Invalid;

use super::{Error, MayBeCommon};

/// Why a request about policies, accounts or access keys failed.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    #[error(transparent)]
    Common(#[from] Error),
    #[error("there is a policy {0:?}; change it by PUT")]
    PolicyExists(String),
    #[error("there is an account {0:?}; change it by PUT")]
    AccountExists(String),
    /// The present state does not allow the change. The text says what to do first.
    #[error("{0}")]
    StateConflict(String),
}

impl From<Invalid> for AdministrationError {
    fn from(invalid: Invalid) -> Self {
        Self::Common(invalid.into())
    }
}

impl MayBeCommon for AdministrationError {
    fn common(&self) -> Option<&Error> {
        if let Self::Common(error) = self { Some(error) } else { None }
    }
}
