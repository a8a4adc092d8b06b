//! What a store stands on: a fresh database and a fresh place for blobs, for each test its own.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::s3::Bucket;

/// The two combinations that are supported in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite and local disk: one replica, nothing else to run.
    SqliteDisk,
    /// Postgres and an S3 bucket: any number of replicas.
    PostgresS3,
}

impl Backend {
    /// Makes an empty database and an empty place for blobs.
    pub async fn fresh(self) -> Storage {
        let dir = tempfile::Builder::new().prefix("zot-test-").tempdir().expect("a temporary folder");
        let (database, bucket) = match self {
            Self::SqliteDisk => (None, None),
            Self::PostgresS3 => (Some(create_database().await), Some(Bucket::create().await)),
        };
        Storage { dir: Arc::new(dir), database, bucket }
    }
}

/// A database and a place for blobs. Clones are the same store: a second replica, or one after a restart.
#[derive(Clone)]
pub struct Storage {
    dir: Arc<TempDir>,
    database: Option<String>,
    bucket: Option<Bucket>,
}

impl Storage {
    /// The bucket of the blobs, if they are in one.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
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
        if let Some(bucket) = &self.bucket {
            settings["storage"]["storageDriver"] = json!({
                "name": "s3",
                "bucket": bucket.name(),
                "region": "us-east-1",
                "endpoint": bucket.endpoint(),
                "accesskey": bucket.access_key(),
                "secretkey": bucket.secret_key(),
                "forcepathstyle": true,
            });
        }
        settings
    }
}

/// Creates a database through the administrator's URL and returns the new one's.
async fn create_database() -> String {
    let admin = variable("ZOT_TEST_POSTGRES_URL");
    let name = format!("zot_test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&admin).await.expect("connecting to ZOT_TEST_POSTGRES_URL");
    // a linguistic order, so that a listing that forgets to ask for bytewise order shows; not every server has ICU
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    let linguistic = format!("{create} LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
    if sqlx::raw_sql(AssertSqlSafe(linguistic)).execute(&mut connection).await.is_err() {
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.expect("CREATE DATABASE");
    }
    connection.close().await.expect("closing the connection");
    let (server, _) = admin.rsplit_once('/').expect("ZOT_TEST_POSTGRES_URL ends in a database");
    format!("{server}/{name}")
}

/// A variable that `hack/with-services` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`, or through hack/with-services"))
}
