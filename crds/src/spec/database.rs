//! Where metadata is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{CLASS, NAME, SIZE, rule};

/// Where metadata is kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.type != 'mysql'", "database.type mysql is not supported: use postgres"),
    rule("self.type != 'postgres' || has(self.postgres) != has(self.cluster)", "database.type postgres needs either database.postgres, a server that is there, or database.cluster, one of CloudNativePG"),
    rule("self.type == 'postgres' || (!has(self.postgres) && !has(self.cluster))", "database.postgres and database.cluster are for database.type postgres: set that, or remove them"),
    rule("self.type == oldSelf.type", "database.type cannot be changed: the metadata is there; make another store and copy the artifacts"),
    rule("quantity(self.embedded.storageSize).compareTo(quantity(oldSelf.embedded.storageSize)) >= 0", "database.embedded.storageSize cannot become smaller: volumes only grow"),
]))]
pub struct Database {
    /// `embedded` is a file of one replica; `postgres` is for production.
    pub r#type: DatabaseType,
    /// The embedded database.
    pub embedded: Embedded,
    /// A server of Postgres that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// A cluster of CloudNativePG, which the operator makes and keeps when the store is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// Most connections one replica opens.
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
    /// A file of one replica.
    #[default]
    Embedded,
    /// A server of Postgres.
    Postgres,
    /// Not supported.
    Mysql,
}

/// The embedded database.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Embedded {
    /// Room for it: with storage of type `filesystem` added to the volume, else the size of its own volume.
    #[schemars(regex(pattern = SIZE))]
    pub storage_size: String,
}

impl Default for Embedded {
    fn default() -> Self {
        Self { storage_size: "1Gi".to_owned() }
    }
}

/// A server of Postgres.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// Its host, a name or an address, without the port.
    #[schemars(regex(pattern = r"^([^\s:/@?#\[\]]+|\[[0-9a-fA-F:.]+\])$"))]
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The database, which must exist.
    #[schemars(length(min = 1))]
    pub database: String,
    /// The Secret with `username` and `password`, in the store's namespace.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: String,
    /// How far the connection is protected, as `sslmode` of Postgres; by default `prefer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]))]
    pub ssl_mode: Option<String>,
}

fn port() -> i32 {
    5432
}

/// A cluster of CloudNativePG.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    /// How many servers of Postgres there are.
    #[schemars(range(min = 1, max = 9))]
    pub instances: i32,
    /// Size of each one's volume.
    #[schemars(regex(pattern = SIZE))]
    pub storage_size: String,
    /// Storage class of the volumes; by default the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLASS), length(max = 253))]
    pub storage_class: Option<String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { instances: 3, storage_size: "10Gi".to_owned(), storage_class: None }
    }
}
