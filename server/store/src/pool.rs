//! The open store: connections, and the only way to write through them.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};
use zot_domain::disk_reserve::Demand;
use zot_domain::{MayBeCommon, Result};

use crate::error::OpenError;
use crate::row::Row;
use crate::sql::{Dialect, Statement};
use crate::tx::{Bound, Direct, GroupCommit, Step, Steps, Watched, Write, read_error};

#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    pub max_connections: u32,
    /// Whether to create a missing SQLite database.
    pub create: bool,
}

/// How long a request waits for a connection before it is answered 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tested before it is used: the database may have restarted. Testing every
/// connection would cost a round trip.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// Settings of every Postgres connection: a transaction ends before the 60 s that garbage collection relies on (rule
/// A2), and nothing waits long for a migration.
const POSTGRES_SETTINGS: &str = "SET statement_timeout = '50s'; SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '50s'";
/// Settings of every SQLite connection. The savepoint's rollback data is kept in memory, not in a file per commit.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 10000; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY";

/// The metadata store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: AnyPool,
    pub(crate) dialect: Dialect,
    writer: Writer,
    watched: Watched,
}

#[derive(Clone)]
enum Writer {
    Direct,
    GroupCommit(GroupCommit),
}

/// Figures of the connection pool, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub open: usize,
    pub idle: usize,
    /// Writes that wait for the next commit (SQLite only).
    pub queued_writes: usize,
}

impl Store {
    /// Opens the database without changing its schema.
    ///
    /// # Errors
    /// [`OpenError::Scheme`], [`OpenError::Database`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let dialect = dialect_of(&options.url)?;
        let (url, settings) = match dialect {
            Dialect::Postgres => (options.url.clone(), POSTGRES_SETTINGS),
            // the file is created once, never again behind a running server
            Dialect::Sqlite => (with_mode(&options.url, false), SQLITE_SETTINGS),
        };
        let pool_options = AnyPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|conn, connection| {
                Box::pin(async move {
                    if connection.idle_for >= TRIED_AFTER {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |conn, _| Box::pin(async move { conn.execute(settings).await.map(drop) }));
        if dialect == Dialect::Sqlite && options.create {
            let mut made = AnyConnection::connect(&with_mode(&options.url, true)).await?;
            // only a file without tables accepts this: free pages can be returned to the disk
            made.execute("PRAGMA auto_vacuum = INCREMENTAL").await?;
            made.close().await?;
        }
        if dialect == Dialect::Postgres {
            // the pool's own error would only be a timeout
            AnyConnection::connect(&url).await?.close().await?;
        }
        let connect = AnyConnectOptions::from_str(&url)?;
        let pool = pool_options.clone().max_connections(options.max_connections).connect_with(connect.clone()).await?;
        let writer = match dialect {
            Dialect::Postgres => Writer::Direct,
            Dialect::Sqlite => {
                let file = sqlx::query("PRAGMA database_list").fetch_one(&pool).await?.try_get::<String, _>("file")?;
                let file = (!file.is_empty()).then(|| file.into());
                Writer::GroupCommit(GroupCommit::start(
                    pool_options.max_connections(1).connect_with(connect).await?,
                    file,
                ))
            }
        };
        Ok(Self { pool, dialect, writer, watched: Watched::default() })
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn pool_status(&self) -> PoolStatus {
        let queued_writes = match &self.writer {
            Writer::Direct => 0,
            Writer::GroupCommit(group) => group.waiting(),
        };
        PoolStatus { open: self.pool.size() as usize, idle: self.pool.num_idle(), queued_writes }
    }

    /// Waits for running writes and closes all connections.
    pub async fn close(&self) {
        if let Writer::GroupCommit(group) = &self.writer {
            group.close().await;
        }
        self.pool.close().await;
    }

    /// The pool itself, for tests that look at plans and rows.
    #[doc(hidden)]
    pub fn raw_pool(&self) -> &AnyPool {
        &self.pool
    }

    /// The same store, whose steps on Postgres wait for a test.
    #[doc(hidden)]
    #[must_use]
    pub fn with_steps(&self, steps: Arc<dyn Steps>) -> Self {
        Self { watched: Watched::by(steps), ..self.clone() }
    }

    /// A read, in no transaction.
    pub(crate) async fn reading(&self, statement: &'static Statement) -> Bound {
        self.watched.before(Step::Statement(statement.name)).await;
        statement.on(self.dialect)
    }

    pub(crate) async fn all<T: Row>(&self, query: Bound) -> Result<Vec<T>> {
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        rows.iter().map(|row| T::read(row).map_err(Into::into)).collect()
    }

    pub(crate) async fn optional<T: Row>(&self, query: Bound) -> Result<Option<T>> {
        let row = query.fetch_optional(&self.pool).await.map_err(read_error)?;
        row.as_ref().map(|row| T::read(row).map_err(Into::into)).transpose()
    }

    /// The one row of a statement that always has one.
    pub(crate) async fn one<T: Row>(&self, query: Bound) -> Result<T> {
        let row = query.fetch_one(&self.pool).await.map_err(read_error)?;
        T::read(&row).map_err(Into::into)
    }

    /// Checks the disk reserve of an embedded database.
    pub(crate) fn admit(&self) -> Result<()> {
        match &self.writer {
            Writer::Direct => Ok(()),
            Writer::GroupCommit(group) => group.admit(Demand::Grows),
        }
    }

    pub(crate) async fn write<E: MayBeCommon, W: Write<E> + 'static>(&self, write: W) -> Result<W::Output, E> {
        match &self.writer {
            Writer::Direct => {
                Direct { pool: &self.pool, dialect: self.dialect, watched: &self.watched }.run(&write).await
            }
            Writer::GroupCommit(group) => group.run(write).await,
        }
    }
}

fn dialect_of(url: &str) -> Result<Dialect, OpenError> {
    match url.split(':').next() {
        Some("sqlite") => Ok(Dialect::Sqlite),
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        _ => Err(OpenError::Scheme),
    }
}

/// Whether SQLite creates the file, unless the URL says so.
fn with_mode(url: &str, create: bool) -> String {
    let mode = if create { "mode=rwc" } else { "mode=rw" };
    match url.split_once('?') {
        Some((_, query)) if query.contains("mode=") => url.to_owned(),
        Some(_) => format!("{url}&{mode}"),
        None => format!("{url}?{mode}"),
    }
}
