//! The database and blob storage of a store. Each test gets fresh ones of its own.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::s3::Bucket;
use crate::services::variable;
use crate::{azure, gcs};

/// A combination of database and blob storage. Every test runs on the first two. A few tests run on the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite and local disk: one replica, nothing else to run.
    SqliteDisk,
    /// Postgres and an S3 bucket: any number of replicas.
    PostgresS3,
    /// SQLite and a bucket of GCS: one replica.
    SqliteGcs,
    /// SQLite and a container of Azure Blob Storage: one replica.
    SqliteAzure,
}

impl Backend {
    /// Creates an empty database and an empty place for blobs.
    pub async fn fresh(self) -> Storage {
        let dir = tempfile::Builder::new().prefix("zot-test-").tempdir().expect("a temporary folder");
        let (database, place) = match self {
            Self::SqliteDisk => (None, Place::Disk),
            Self::PostgresS3 => (Some(create_database().await), Place::S3(Bucket::create().await)),
            Self::SqliteGcs => (None, Place::Gcs(gcs::Bucket::create().await)),
            Self::SqliteAzure => (None, Place::Azure(azure::Container::create().await)),
        };
        Storage { dir: Arc::new(dir), database, place }
    }
}

/// The place of blobs.
#[derive(Clone)]
enum Place {
    Disk,
    S3(Bucket),
    Gcs(gcs::Bucket),
    Azure(azure::Container),
}

/// A database and a place for blobs. Clones are the same store: a second replica, or one after a restart.
#[derive(Clone)]
pub struct Storage {
    dir: Arc<TempDir>,
    database: Option<String>,
    place: Place,
}

impl Storage {
    /// The S3 bucket of the blobs, if they are in one.
    pub fn bucket(&self) -> Option<&Bucket> {
        match &self.place {
            Place::S3(bucket) => Some(bucket),
            _ => None,
        }
    }

    /// The key `storage.storageDriver` of its servers, where the blobs are in a cloud.
    pub fn driver(&self) -> Option<Value> {
        self.place.driver()
    }

    /// The first keys of the blobs, where they are in a cloud.
    pub async fn keys(&self) -> Vec<String> {
        match &self.place {
            Place::Disk => panic!("files on a disk have no keys"),
            Place::S3(bucket) => bucket.keys().await,
            Place::Gcs(bucket) => bucket.keys().await,
            Place::Azure(container) => container.keys().await,
        }
    }

    /// URL of the Postgres database, if it is one.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The store's folder: of the blobs and the database where they are local.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The keys `storage` and `database` of a server whose own folder is `scratch`.
    pub(crate) fn settings(&self, scratch: &Path) -> Value {
        let root = if self.database.is_some() { scratch } else { self.root() };
        let mut settings = json!({ "storage": { "rootDirectory": root } });
        if let Some(url) = &self.database {
            settings["database"]["url"] = json!(url);
        }
        if let Some(driver) = self.place.driver() {
            settings["storage"]["storageDriver"] = driver;
        }
        settings
    }
}

impl Place {
    /// The key `storage.storageDriver`.
    fn driver(&self) -> Option<Value> {
        match self {
            Self::Disk => None,
            Self::S3(bucket) => Some(json!({
                "name": "s3",
                "bucket": bucket.name(),
                "region": "us-east-1",
                "endpoint": bucket.endpoint(),
                "accesskey": bucket.access_key(),
                "secretkey": bucket.secret_key(),
                "forcepathstyle": true,
            })),
            Self::Gcs(bucket) => Some(json!({ "name": "gcs", "bucket": bucket.name(), "endpoint": bucket.endpoint() })),
            Self::Azure(container) => Some(json!({
                "name": "azure",
                "accountname": container.account(),
                "accountkey": container.key(),
                "container": container.name(),
                "endpoint": container.endpoint(),
            })),
        }
    }
}

/// Creates a database through the administrator's URL and returns the new one's.
async fn create_database() -> String {
    let admin = variable("ZOT_TEST_POSTGRES_URL");
    let name = format!("zot_test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&admin).await.expect("connecting to ZOT_TEST_POSTGRES_URL");
    // With linguistic order, a list that does not ask for bytewise order fails its test. Not every server has ICU.
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    let linguistic = format!("{create} LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
    if sqlx::raw_sql(AssertSqlSafe(linguistic)).execute(&mut connection).await.is_err() {
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.expect("CREATE DATABASE");
    }
    connection.close().await.expect("closing the connection");
    let (server, _) = admin.rsplit_once('/').expect("ZOT_TEST_POSTGRES_URL ends in a database");
    format!("{server}/{name}")
}
