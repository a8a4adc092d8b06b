//! A fresh database for each test.

use std::ops::Deref;

use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;
use zot_store::{Options, Store};

/// A migrated store in a database of its own.
pub(crate) struct Fresh {
    store: Store,
    pub(crate) url: String,
    directory: Option<TempDir>,
}

impl Deref for Fresh {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Fresh {
    /// The first column of the first row, a number.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(self.raw_pool()).await.unwrap().get(0)
    }

    /// The same database, opened anew: settings of the database count from then on.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        open(self.url, self.directory).await
    }

    /// Runs statements as they are.
    pub(crate) async fn execute(&self, sql: String) {
        self.raw_pool().execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

impl Fresh {
    /// Another database with the same rows.
    pub(crate) async fn copied(&self) -> Store {
        let url = match self.store.dialect() {
            zot_store::Dialect::Sqlite => {
                let path = self.url.trim_start_matches("sqlite:").to_owned();
                self.execute(format!("VACUUM INTO '{path}.copy'")).await;
                format!("{}.copy", self.url)
            }
            zot_store::Dialect::Postgres => {
                let (server, name) = self.url.rsplit_once('/').unwrap();
                // a template must have no connections
                self.store.close().await;
                let mut admin = AnyConnection::connect(&format!("{server}/postgres")).await.unwrap();
                let create = format!("CREATE DATABASE {name}_copy TEMPLATE {name}");
                admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
                format!("{}_copy", self.url)
            }
        };
        Store::open(&Options { url, max_connections: 4, create: false }).await.unwrap()
    }
}

pub(crate) async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("metadata.db").display());
    open(url, Some(directory)).await
}

pub(crate) async fn postgres() -> Fresh {
    sqlx::any::install_default_drivers();
    let admin =
        std::env::var("ZOT_TEST_POSTGRES_URL").expect("run tests through hack/with-services, which starts Postgres");
    let name = format!("store_{}", zot_core::ambient::random_id().simple());
    let mut connection = AnyConnection::connect(&admin).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let (server, _) = admin.rsplit_once('/').unwrap();
    open(format!("{server}/{name}"), None).await
}

async fn open(url: String, directory: Option<TempDir>) -> Fresh {
    let store = Store::open(&Options { url: url.clone(), max_connections: 16, create: true }).await.unwrap();
    store.migrate().await.unwrap();
    Fresh { store, url, directory }
}
