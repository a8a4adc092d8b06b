//! How a write runs: one repeatable transaction that ends with its audit row.
//!
//! On Postgres each write has its own transaction, which is repeated after a deadlock or a lost connection. If the
//! answer to a COMMIT was lost, the request id shows whether it happened. On SQLite one task owns the only writing
//! connection and groups concurrent writes into one commit, each in a savepoint.

mod group;
mod record;
mod steps;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _};
use zot_domain::disk_reserve::Demand;
use zot_domain::{Error, MayBeCommon, Result};

use crate::error::{TxError, is_broken_reference, is_lost, is_retryable};
use crate::row::Row;
use crate::sql::{Dialect, Statement};

pub(crate) use group::GroupCommit;
pub(crate) use record::{ALL, Recorded, address};
pub(crate) use steps::Watched;
pub use steps::{Step, Steps};

const TRANSACTION_MAX: Duration = Duration::from_secs(50);
/// Attempts of a write before its client is asked to retry.
const ATTEMPTS: u32 = 5;

/// A statement with bound values.
pub(crate) type Bound = Query<'static, Any, AnyArguments>;

pub(crate) struct Tx<'c> {
    conn: &'c mut AnyConnection,
    dialect: Dialect,
    watched: &'c Watched,
    /// The last statement, for test steps.
    statement: Cell<&'static str>,
    /// Changes of namespaces' usage, in bytes, that are not recorded yet.
    booked: BTreeMap<i64, i64>,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(conn: &'c mut AnyConnection, dialect: Dialect, watched: &'c Watched) -> Self {
        Self { conn, dialect, watched, statement: Cell::new(""), booked: BTreeMap::new() }
    }

    pub(crate) fn query(&self, statement: &'static Statement) -> Bound {
        self.statement.set(statement.name);
        statement.on(self.dialect)
    }

    async fn step(&mut self) {
        self.watched.before(Step::Statement(self.statement.get())).await;
    }

    /// The first row, if there is one.
    pub(crate) async fn optional<T: Row>(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Option<T>, TxError> {
        self.step().await;
        query.fetch_optional(&mut *self.conn).await?.as_ref().map(T::read).transpose()
    }

    pub(crate) async fn all<T: Row>(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<T>, TxError> {
        self.step().await;
        query.fetch_all(&mut *self.conn).await?.iter().map(T::read).collect()
    }

    /// The first row's first column, if there is a row.
    pub(crate) async fn number(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Option<i64>, TxError> {
        Ok(self.optional::<(i64,)>(query).await?.map(|(number,)| number))
    }

    pub(crate) async fn exists(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<bool, TxError> {
        Ok(self.optional::<()>(query).await?.is_some())
    }

    pub(crate) async fn execute(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<u64, TxError> {
        self.step().await;
        Ok(query.execute(&mut *self.conn).await?.rows_affected())
    }
}

/// A write: a value, so that it can be repeated.
#[async_trait]
pub(crate) trait Write<E: MayBeCommon = Error>: Send + Sync {
    type Output: Send;

    /// Runs it. The caller makes it atomic.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, TxError<E>>;

    /// The result of an earlier commit. It is called after a COMMIT whose answer was lost and which may still be
    /// running, in a transaction that is rolled back. So it must wait for that COMMIT, by a lock that it holds.
    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Self::Output>, TxError<E>>;

    /// Whether a broken foreign key ends it without a retry: garbage collection gives up and reports that a rule was
    /// broken.
    fn gives_way(&self) -> bool {
        false
    }

    /// How it may use the disk reserve.
    fn demand(&self) -> Demand {
        Demand::Grows
    }
}

/// Runs a write and records the usage that it booked.
async fn run<E: MayBeCommon, W: Write<E>>(write: &W, tx: &mut Tx<'_>) -> Result<W::Output, TxError<E>> {
    let output = write.run(tx).await?;
    tx.settle().await.map_err(|error| match error {
        TxError::Refused(error) => TxError::Refused(error.into()),
        TxError::Sql(error) => TxError::Sql(error),
    })?;
    Ok(output)
}

/// Writes with a transaction each.
#[derive(Clone, Copy)]
pub(crate) struct Direct<'a> {
    pub pool: &'a AnyPool,
    pub dialect: Dialect,
    pub watched: &'a Watched,
}

impl<'a> Direct<'a> {
    fn tx(self, conn: &'a mut AnyConnection) -> Tx<'a> {
        Tx::new(conn, self.dialect, self.watched)
    }

    /// Runs a write in transactions of its own until one commits.
    pub(crate) async fn run<E: MayBeCommon, W: Write<E>>(self, write: &W) -> Result<W::Output, E> {
        let mut maybe_committed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            // within the time that garbage collection relies on (rule A2)
            let tried = tokio::time::timeout(TRANSACTION_MAX, self.attempt(write, &mut maybe_committed)).await;
            match tried.unwrap_or(Err(TxError::Sql(sqlx::Error::PoolTimedOut))) {
                Ok(output) => return Ok(output),
                Err(TxError::Sql(error)) if write.gives_way() && is_broken_reference(&error) => {
                    return Err(Error::Conflict.into());
                }
                Err(TxError::Refused(error))
                    if attempt < ATTEMPTS && matches!(error.common(), Some(Error::Conflict)) => {}
                Err(TxError::Sql(error)) if attempt < ATTEMPTS && (is_retryable(&error) || is_lost(&error)) => {
                    tracing::debug!(%error, attempt, "a write is tried again");
                }
                Err(error) => return Err(error.into_domain()),
            }
            tokio::time::sleep(backoff(attempt)).await;
        }
    }

    /// Runs it once, unless an earlier attempt turns out to be committed.
    async fn attempt<E: MayBeCommon, W: Write<E>>(
        self,
        write: &W,
        maybe_committed: &mut bool,
    ) -> Result<W::Output, TxError<E>> {
        let mut conn = self.pool.acquire().await?;
        if *maybe_committed {
            self.watched.before(Step::Look).await;
            let mut transaction = conn.begin().await?;
            let earlier = write.committed(&mut self.tx(&mut transaction)).await;
            transaction.rollback().await?;
            if let Some(output) = earlier? {
                return Ok(output);
            }
            *maybe_committed = false;
        }
        self.watched.before(Step::Begin).await;
        let mut transaction = conn.begin().await?;
        match run(write, &mut self.tx(&mut transaction)).await {
            Ok(output) => {
                self.watched.before(Step::Commit).await;
                *maybe_committed = true;
                transaction.commit().await?;
                self.watched.before(Step::Committed).await;
                Ok(output)
            }
            Err(error) => {
                // if the rollback fails, the connection is dead, which rolls back as well
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }
}

/// Doubles from 10 ms, with half of it random, so that colliding writers separate.
#[expect(clippy::disallowed_methods, reason = "jitter, which no test needs to repeat")]
fn backoff(attempt: u32) -> Duration {
    let ceiling = 10_u64 << attempt.min(6);
    Duration::from_millis(fastrand::u64(ceiling / 2..=ceiling))
}

pub(crate) fn read_error(error: impl Into<TxError>) -> Error {
    error.into().into_domain()
}
