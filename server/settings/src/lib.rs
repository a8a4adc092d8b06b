//! The configuration of the server: its keys, their defaults, and how a file, the environment and flags become
//! one checked [`Settings`] value.
//!
//! One file per section of the configuration (`http.rs`, `storage.rs`, ...), one per value type (`secret.rs`,
//! `span.rs`, `size.rs`), `load.rs` for the way in, `keys.rs` for the table of all keys, `validate.rs` for the rules
//! that span keys. What does not live here: anything that opens a file other than the configuration, a socket or a
//! database; the server does that with the values found here.

mod auth;
mod database;
mod error;
mod extensions;
mod given;
mod http;
mod keys;
mod limits;
mod load;
mod log;
mod rbac;
mod secret;
mod size;
mod span;
mod storage;
mod validate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use auth::{Auth, Bearer};
pub use database::Database;
pub use error::{ConfigError, Fault, Problem};
pub use extensions::{Extensions, Health, Metrics, Prometheus, S3Api};
pub use given::{ADMIN_SECRET_MIN, is_admin_key, master_keys};
pub use http::{Cors, Http, Tls};
pub use keys::{KeyDoc, Status, json_schema, known_keys};
pub use limits::Limits;
pub use load::{Loaded, Sources, load};
pub use log::{Level, Log, LogFormat};
pub use rbac::{IssuerKind, Keycloak, Kubernetes, Rbac, TrustedIssuer};
pub use secret::Secret;
pub use size::ByteSize;
pub use span::Span;
pub use storage::{DriverName, Storage, StorageDriver};

/// The configuration of the Zot Artifact Store server.
///
/// [`load`] is the way in: it also turns strings from the environment, flags and `${VAR}` into the numbers, booleans
/// and lists that the keys want, and checks what spans keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(
    title = "Zot Artifact Store configuration",
    description = "The YAML file that the server reads. See docs/reference/configuration.md."
)]
pub struct Settings {
    /// The listener: where the server is reached and how it speaks HTTP.
    pub http: Http,
    /// Where blobs are kept.
    pub storage: Storage,
    /// Where metadata is kept.
    pub database: Database,
    /// What is logged, and where to.
    pub log: Log,
    /// Access control, metrics and health.
    pub extensions: Extensions,
    /// How clients find the token endpoint.
    pub auth: Auth,
    /// Bounds on what the server takes on.
    pub limits: Limits,
}

impl Settings {
    /// The address to bind: `http.address`, else all interfaces with access control and loopback only without it.
    pub fn effective_address(&self) -> &str {
        match &self.http.address {
            Some(address) => address,
            None if self.extensions.rbac.enabled => "0.0.0.0",
            None => "127.0.0.1",
        }
    }

    /// What is wrong with settings that were put together by a program, and not by [`load`]: key and reason of each.
    pub fn problems(&self) -> Vec<String> {
        validate::faults(self).into_iter().map(|(path, fault)| format!("`{path}`: {fault}")).collect()
    }

    /// The database to open: `database.url`, else the SQLite file `metadata.db` in `storage.rootDirectory`.
    pub fn effective_database_url(&self) -> Secret {
        match &self.database.url {
            Some(url) => url.clone(),
            None => Database::embedded_in(&self.storage.root_directory),
        }
    }
}

#[cfg(test)]
mod tests;
