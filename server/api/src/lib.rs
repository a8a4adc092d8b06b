//! Requests and responses of the REST API, as they are in JSON: for the server, and for clients in Rust.
//!
//! `docs/reference/openapi.json` describes them for everybody else. Times are RFC 3339, in UTC.
#![warn(missing_docs)] // clients show these texts

mod access_keys;
mod accounts;
mod artifacts;
mod audit;
mod error;
mod login;
mod policies;
mod roles;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

pub use access_keys::{
    AccessKey, AccessKeyInput, AccessKeyPatch, AccessKeyQuery, AccessKeys, NewExpiry, Revocation, Rotation,
};
pub use accounts::{Account, AccountInput, Accounts};
pub use artifacts::Artifact;
pub use audit::{AuditEntry, AuditPage, AuditQuery};
pub use error::ErrorBody;
pub use login::{Login, LoginIssuer, ProtectedResource};
pub use policies::{CurrentPrincipal, Effect, ExplainRequest, Explanation, Permission, Policies, Policy, PolicyInput};
pub use roles::{Assignment, Role, RoleInput, Roles, TokenInput, ValidatedToken};

/// A field that the server sets. It is accepted, whatever it holds, so that a client may send back what it read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ignored;

impl Ignored {
    fn is_ignored(&self) -> bool {
        let Self = self;
        true
    }
}

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
