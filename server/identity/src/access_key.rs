//! Access keys from the environment or the data directory. Keys in the database are in `directory.rs`.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zot_core::principal::Principal;

/// An access key: a public id and a secret.
pub struct AccessKey {
    id: String,
    secret: String,
    principal: Principal,
}

impl AccessKey {
    /// A key of that principal.
    pub fn new(id: String, secret: String, principal: Principal) -> Self {
        Self { id, secret, principal }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("principal", &self.principal.subject)
            .finish_non_exhaustive()
    }
}

/// Compares hashes, so that the time shows neither the length nor a common beginning.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}
