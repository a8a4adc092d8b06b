//! The server's configuration: its keys, their defaults, and how a file, the environment and flags become one checked
//! [`Settings`] value.
//!
//! There is one file for each section of the configuration (`http.rs`, `storage.rs`, ...) and for each value type
//! (`secret.rs`, `span.rs`, `size.rs`). `load.rs` reads a configuration, `keys.rs` has the table of all keys,
//! `validate.rs` the rules that span keys, `zot.rs` reads zot's. Nothing here opens a file other than the
//! configuration, a socket or a database.

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
mod zot;

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
pub use zot::{FromZot, from_zot};

/// The configuration of the Zot Artifact Store server.
///
/// [`load`] makes it. It also turns strings from the environment, flags and `${VAR}` into numbers, booleans and lists, and
/// checks rules that span keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(
    title = "Zot Artifact Store configuration",
    description = "The YAML file that the server reads. See docs/reference/configuration.md."
)]
pub struct Settings {
    /// The listener: address, port, TLS and HTTP.
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
    /// Limits on requests.
    pub limits: Limits,
}

impl Settings {
    /// These settings with the values that the server uses where none are given, as far as they are known beforehand.
    #[must_use]
    pub fn effective(&self) -> Self {
        let mut settings = self.clone();
        settings.http.address = Some(self.effective_address().to_owned());
        settings.storage.storage_driver = self.storage.storage_driver.as_ref().map(StorageDriver::effective);
        settings
    }

    /// The address to bind: `http.address`, else loopback.
    pub fn effective_address(&self) -> &str {
        self.http.address.as_deref().unwrap_or("127.0.0.1")
    }

    /// Problems of settings that a program made without [`load`]: key and reason of each.
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
