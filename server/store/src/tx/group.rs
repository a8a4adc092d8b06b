//! SQLite's only writer: groups waiting writes into one commit, so that they share its fsync.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sqlx::{AnyConnection, AnyPool, Executor as _};
use tokio::sync::{mpsc, oneshot};
use zot_domain::disk_reserve::{self, Demand};
use zot_domain::{Error, MayBeCommon, Result};

use super::{Tx, Watched, Write};
use crate::error::{TxError, to_domain};
use crate::sql::Dialect;

/// Most writes in one commit: bounds how long the first of them waits.
const GROUP_MAX: usize = 64;
/// Most writes in the queue; beyond it callers wait.
const QUEUE: usize = 1024;

/// Handle to the writing task, which ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct GroupCommit {
    queue: mpsc::Sender<Box<dyn Queued>>,
    waiting: Arc<AtomicUsize>,
    pool: AnyPool,
    /// Its disk must keep its reserve.
    file: Option<Arc<Path>>,
}

impl GroupCommit {
    /// Starts the task over a pool to which nothing else writes.
    pub(crate) fn start(pool: AnyPool, file: Option<PathBuf>) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(write_groups(pool.clone(), queued, Arc::clone(&waiting)));
        Self { queue, waiting, pool, file: file.map(Arc::from) }
    }

    /// Waits for the running commit and closes the connection: later writes fail.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Writes that wait for their commit.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Checks the disk reserve for this write.
    pub(crate) fn admit(&self, demand: Demand) -> Result<()> {
        let disk = self.file.as_ref().and_then(|file| rustix::fs::statvfs(&**file).ok());
        // if the disk cannot be queried, the write itself will fail
        let Some(disk) = disk.filter(|_| demand != Demand::Frees) else { return Ok(()) };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        disk_reserve::admit(bytes(disk.f_bavail), bytes(disk.f_blocks), demand).map_err(Error::database)
    }

    /// Runs a write as part of the next group.
    pub(crate) async fn run<E: MayBeCommon, W: Write<E> + 'static>(&self, write: W) -> Result<W::Output, E> {
        self.admit(write.demand())?;
        let (answer, outcome) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.queue.send(Box::new(Pending { write, output: None, answer: Some(answer) })).await;
        if sent.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::database(sqlx::Error::PoolClosed).into());
        }
        outcome.await.unwrap_or_else(|_| Err(Error::database(sqlx::Error::WorkerCrashed).into()))
    }
}

/// A write of any type, and its caller.
#[async_trait]
trait Queued: Send {
    /// Runs in the group's transaction. False if the savepoint must be rolled back.
    async fn run(&mut self, conn: &mut AnyConnection) -> bool;
    /// Answers after the group's commit, or with its error.
    fn answer(&mut self, failure: Option<Error>);
}

struct Pending<E: MayBeCommon, W: Write<E>> {
    write: W,
    output: Option<Result<W::Output, TxError<E>>>,
    answer: Option<oneshot::Sender<Result<W::Output, E>>>,
}

#[async_trait]
impl<E: MayBeCommon, W: Write<E>> Queued for Pending<E, W> {
    async fn run(&mut self, conn: &mut AnyConnection) -> bool {
        let output = super::run(&self.write, &mut Tx::new(conn, Dialect::Sqlite, &Watched::default())).await;
        let keep = output.is_ok();
        self.output = Some(output);
        keep
    }

    fn answer(&mut self, failure: Option<Error>) {
        let Some(answer) = self.answer.take() else { return };
        let outcome = match (self.output.take(), failure) {
            (Some(Err(error)), _) => Err(error.into_domain()),
            (_, Some(failure)) => Err(failure.into()),
            (Some(Ok(output)), None) => Ok(output),
            (None, None) => Err(Error::Internal("a write was never run".to_owned()).into()),
        };
        // the caller may have been cancelled; the write is done anyway
        let _ = answer.send(outcome);
    }
}

async fn write_groups(pool: AnyPool, mut queued: mpsc::Receiver<Box<dyn Queued>>, waiting: Arc<AtomicUsize>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while queued.recv_many(&mut group, GROUP_MAX).await > 0 {
        let failure = write_group(&pool, &mut group).await.err();
        if let Some(error) = &failure {
            tracing::error!(%error, writes = group.len(), "a group of writes failed");
        }
        waiting.fetch_sub(group.len(), Ordering::Relaxed);
        let text = failure.map(|error| error.to_string());
        for mut write in group.drain(..) {
            // all writes fail with one error: each gets its text, as sqlx errors cannot be cloned
            let failure = text.clone().map(|text| to_domain(sqlx::Error::Io(std::io::Error::other(text))));
            write.answer(failure);
        }
    }
}

async fn write_group(pool: &AnyPool, group: &mut [Box<dyn Queued>]) -> Result<(), sqlx::Error> {
    let mut conn = pool.acquire().await?;
    // each text is a round trip to the database's own thread
    conn.execute("BEGIN IMMEDIATE; SAVEPOINT one").await?;
    let outcome = run_and_commit(&mut conn, group).await;
    if outcome.is_err() && conn.execute("ROLLBACK").await.is_err() {
        // in an unknown state: do not return it to the pool
        let _ = conn.close().await;
    }
    outcome
}

async fn run_and_commit(conn: &mut AnyConnection, group: &mut [Box<dyn Queued>]) -> Result<(), sqlx::Error> {
    for (number, write) in group.iter_mut().enumerate() {
        if number > 0 {
            conn.execute("RELEASE one; SAVEPOINT one").await?;
        }
        if !write.run(conn).await {
            conn.execute("ROLLBACK TO one").await?;
        }
    }
    conn.execute("RELEASE one; COMMIT").await.map(drop)
}
