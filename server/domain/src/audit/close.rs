//! Closing batches of audit rows and dropping old batches. One replica does this at a time.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Signer};
use crate::error::Result;
use crate::lease::Lease;
use crate::ports::audit::{Change, Changes, Root};
use crate::ports::upkeep::Upkeep;

/// The lease under which one process closes batches. It only saves work: a batch's number is a key, and a row is
/// claimed by its state.
const LEASE: &str = "audit";
/// If a process dies while it closes batches, the others wait this long.
const LEASE_SECS: i64 = 15;
/// Rows in a batch.
const ROWS_MAX: u32 = 1024;
/// Batches that are verified together before they are dropped.
const PAGE: u32 = 20;

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    pub batches: u64,
    pub rows: u64,
    /// Batches whose rows were dropped.
    pub dropped: u64,
    /// Old batches that are kept because their signatures do not match.
    pub suspect: u64,
}

/// Closes batches, and drops old ones. Cheap to clone.
#[derive(Clone)]
pub struct BatchCloser {
    changes: Arc<dyn Changes>,
    upkeep: Arc<dyn Upkeep>,
    signer: Arc<dyn Signer>,
    retention: Option<Duration>,
}

impl BatchCloser {
    /// Signs with this key and drops batches older than `retention`. Without a retention it drops nothing.
    pub fn new(
        changes: Arc<dyn Changes>,
        upkeep: Arc<dyn Upkeep>,
        signer: Arc<dyn Signer>,
        retention: Option<Duration>,
    ) -> Self {
        Self { changes, upkeep, signer, retention }
    }

    pub fn lease(&self, holder: impl Into<String>) -> Lease {
        Lease::new(Arc::clone(&self.upkeep), LEASE, holder, LEASE_SECS)
    }

    /// Closes batches until every row is in one, then drops old batches. None if another process has the lease.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the next run continues.
    pub async fn run(&self, lease: &Lease) -> Result<Option<Closed>> {
        if !lease.take().await? {
            return Ok(None);
        }
        let mut done = Closed::default();
        self.close(lease, &mut done).await?;
        if let Some(retention) = self.retention {
            self.drop_older(lease, retention, &mut done).await?;
        }
        // not released: the process keeps the lease until it stops
        Ok(Some(done))
    }

    async fn close(&self, lease: &Lease, done: &mut Closed) -> Result<()> {
        loop {
            let rows = self.changes.unbatched(ROWS_MAX).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let (count, is_last) = (rows.len() as u64, rows.len() < ROWS_MAX as usize);
            if !self.close_batch(rows).await? {
                // the lease expired and another process closed the batch
                return Ok(());
            }
            done.batches += 1;
            done.rows += count;
            if is_last {
                return Ok(());
            }
            lease.renew().await?;
        }
    }

    async fn close_batch(&self, mut rows: Vec<Change>) -> Result<bool> {
        rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let before = self.changes.last_root().await?;
        let keys: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let mut root = Root {
            seq: before.as_ref().map_or(1, |root| root.seq + 1),
            first: keys.first().cloned().unwrap_or_default(),
            last: keys.last().cloned().unwrap_or_default(),
            rows: i64::try_from(rows.len()).unwrap_or(i64::MAX),
            newest: rows.iter().map(|row| row.at).max().unwrap_or_default(),
            root: batch::root_of(&rows),
            prev: batch::link(before.as_ref()),
            key_id: self.signer.key_id().to_owned(),
            ..Root::default()
        };
        root.signature = self.signer.sign(&batch::message(&root));
        self.changes.close_batch(root, keys).await
    }

    async fn drop_older(&self, lease: &Lease, retention: Duration, done: &mut Closed) -> Result<()> {
        let mut after = 0;
        loop {
            let page = self.changes.older_batches(retention, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            for root in page {
                // the age is verified too, or a changed row could have its own traces dropped
                if self.signer.verify(&root.key_id, &batch::message(&root), &root.signature) == Some(false) {
                    done.suspect += 1;
                    continue;
                }
                let signature = self.signer.sign(&batch::drop_message(&root));
                self.changes.drop_batch(root.seq, signature).await?;
                done.dropped += 1;
            }
            lease.renew().await?;
        }
    }
}
