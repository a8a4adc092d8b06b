//! The database for metadata.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CLASS, NAME, SIZE, rule};

/// The database for metadata.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.type != 'mysql'", "database.type mysql is not supported: use postgres"),
    rule("self.type != 'postgres' || has(self.postgres) != has(self.cluster)", "database.type postgres needs either database.postgres, an existing server, or database.cluster, a cluster of CloudNativePG"),
    rule("self.type == 'postgres' || (!has(self.postgres) && !has(self.cluster))", "database.postgres and database.cluster are for database.type postgres: set database.type, or remove them"),
    rule("self.type == oldSelf.type", "database.type cannot be changed, because the metadata would be lost: create another store and copy the artifacts"),
    rule("quantity(self.embedded.storageSize).compareTo(quantity(oldSelf.embedded.storageSize)) >= 0", "database.embedded.storageSize cannot become smaller: volumes only grow"),
]))]
pub struct Database {
    /// `embedded`: a file on the volume of the only replica. `postgres`: a server, for production.
    pub r#type: DatabaseType,
    /// The embedded database.
    pub embedded: Embedded,
    /// An existing Postgres server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// A Postgres cluster that the operator creates through CloudNativePG. It stays when the store is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// The largest number of connections per replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_connections: Option<i32>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            r#type: DatabaseType::Embedded,
            embedded: Embedded::default(),
            postgres: None,
            cluster: None,
            max_connections: None,
        }
    }
}

/// A kind of database.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseType {
    /// A file on the volume of the only replica.
    #[default]
    Embedded,
    /// A Postgres server.
    Postgres,
    /// Not supported.
    Mysql,
}

/// The embedded database.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Embedded {
    /// Size of the database file. With `storage.type: filesystem` it is added to `storage.size`; otherwise it is the size of the volume.
    #[schemars(regex(pattern = SIZE))]
    pub storage_size: String,
}

impl Default for Embedded {
    fn default() -> Self {
        Self { storage_size: "1Gi".to_owned() }
    }
}

/// A Postgres server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// Host name or IP address, without the port.
    #[schemars(regex(pattern = r"^([^\s:/@?#\[\]]+|\[[0-9a-fA-F:.]+\])$"))]
    pub host: String,
    /// Port.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Name of the database. It must exist.
    #[schemars(length(min = 1))]
    pub database: String,
    /// The Secret with `username` and `password`, in the store's namespace.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: String,
    /// TLS of the connection: `sslmode` of Postgres. The default is `prefer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]))]
    pub ssl_mode: Option<String>,
}

fn port() -> i32 {
    5432
}

/// A Postgres cluster of CloudNativePG.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    /// The number of Postgres servers.
    #[schemars(range(min = 1, max = 9))]
    pub instances: i32,
    /// Size of the volume of each server.
    #[schemars(regex(pattern = SIZE))]
    pub storage_size: String,
    /// Storage class of the volumes. The default is the default class of the Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLASS), length(max = 253))]
    pub storage_class: Option<String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { instances: 3, storage_size: "10Gi".to_owned(), storage_class: None }
    }
}
