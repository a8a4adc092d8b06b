//! Background tasks of the audit trail: records are written, rows sealed, and sealed batches copied to `log.audit`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zot_domain::Result;
use zot_domain::audit::BatchCloser;
use zot_domain::decision_log::{BATCH_MAX, DecisionQueue};
use zot_domain::ports::audit::Changes;
use zot_gateway::Notes;

use crate::journal::Journal;

/// How often to look whether records wait.
const TICK: Duration = Duration::from_millis(100);
/// A record waits no longer than this, while the database takes them.
const FLUSH_PAUSE: Duration = Duration::from_millis(500);
/// With a database that does not take them, until it is tried again.
const AWAY_PAUSE: Duration = Duration::from_secs(2);
/// At the end records get this long to be written.
const LAST_FLUSH: Duration = Duration::from_secs(10);
/// How often rows are sealed: what is changed within this time leaves no trace.
const SEAL_PAUSE: Duration = Duration::from_secs(10);
/// How often to look for sealed batches.
const JOURNAL_PAUSE: Duration = Duration::from_secs(2);
/// Roots that are read together.
const PAGE: u32 = 20;

/// Writes the records of reads and denials.
pub(crate) async fn record(queue: DecisionQueue, changes: Arc<dyn Changes>, notes: Notes) {
    let mut last = Instant::now();
    let mut well = true;
    loop {
        tokio::time::sleep(TICK).await;
        let queued = queue.figures().queued;
        if queued == 0 || (queued < BATCH_MAX && last.elapsed() < FLUSH_PAUSE) {
            continue;
        }
        last = Instant::now();
        match flush(&queue, &*changes).await {
            Ok(()) => {
                well = true;
                notes.set("audit", None);
            }
            Err(error) => {
                if well {
                    tracing::warn!(%error, "the database does not take records of the audit trail");
                }
                well = false;
                notes.set("audit", Some("records of reads and denials do not get into the audit trail".to_owned()));
                tokio::time::sleep(AWAY_PAUSE).await;
            }
        }
    }
}

async fn flush(queue: &DecisionQueue, changes: &dyn Changes) -> Result<()> {
    while queue.flush(changes).await? > 0 {}
    Ok(())
}

/// Writes what waits when the server stops.
pub(crate) async fn record_the_rest(queue: &DecisionQueue, changes: &dyn Changes) {
    let outcome = tokio::time::timeout(LAST_FLUSH, flush(queue, changes)).await;
    let lost = queue.figures().queued;
    if !matches!(outcome, Ok(Ok(()))) && lost > 0 {
        tracing::error!(records = lost, "reads and denials are not in the audit trail: the database did not take them");
    }
}

/// Seals rows and drops old batches, one replica at a time.
pub(crate) async fn seal(sealer: BatchCloser) {
    let lease = sealer.lease(uuid::Uuid::new_v4().to_string());
    loop {
        match sealer.run(&lease).await {
            Ok(Some(done)) => {
                if done.suspect > 0 {
                    tracing::error!(
                        batches = done.suspect,
                        "batches of the audit trail are not what was signed and are kept; run `zot-artifact-store fsck`"
                    );
                }
                if done.batches + done.dropped > 0 {
                    let (batches, rows, dropped) = (done.batches, done.rows, done.dropped);
                    tracing::debug!(batches, rows, dropped, "the audit trail was sealed");
                }
            }
            Ok(None) => tracing::trace!("another replica seals the audit trail"),
            Err(error) => tracing::warn!(%error, "sealing the audit trail failed and will be tried again"),
        }
        tokio::time::sleep(SEAL_PAUSE).await;
    }
}

/// Copies sealed batches to the file.
pub(crate) async fn journal(path: PathBuf, changes: Arc<dyn Changes>, notes: Notes) {
    let mut open: Option<Journal> = None;
    loop {
        match follow(&path, open.take(), &*changes).await {
            Ok((journal, odd)) => {
                open = Some(journal);
                notes.set("log.audit", odd);
            }
            Err(why) => {
                tracing::warn!("log.audit: {why}");
                notes.set("log.audit", Some(format!("the audit trail is not copied to log.audit: {why}")));
            }
        }
        tokio::time::sleep(JOURNAL_PAUSE).await;
    }
}

/// Appends the batches that are there and not in the file; and says what is odd about it.
async fn follow(
    path: &std::path::Path,
    open: Option<Journal>,
    changes: &dyn Changes,
) -> std::result::Result<(Journal, Option<String>), String> {
    let mut journal = match open {
        Some(journal) => journal,
        None => Journal::open(path).map_err(|error| error.to_string())?,
    };
    let failed = |error: zot_domain::Error| error.to_string();
    loop {
        let roots = changes.roots_after(journal.whole(), PAGE).await.map_err(failed)?;
        if roots.is_empty() {
            let last = changes.last_root().await.map_err(failed)?.map_or(0, |root| root.seq);
            let odd = (last < journal.whole()).then(|| {
                format!("log.audit: {} is of a longer audit trail than the database's: move it away", path.display())
            });
            return Ok((journal, odd));
        }
        for root in roots {
            let rows = changes.batch(root.seq, u32::try_from(root.rows).unwrap_or(u32::MAX)).await.map_err(failed)?;
            // a file may take its time, or hang
            let written = tokio::task::spawn_blocking(move || (journal.append(&root, rows), journal)).await;
            let (outcome, written) = written.map_err(|error| error.to_string())?;
            journal = match outcome {
                Ok(()) => written,
                Err(error) => {
                    // the next try begins with what is in the file
                    drop(written.reopen());
                    return Err(error.to_string());
                }
            };
        }
    }
}
