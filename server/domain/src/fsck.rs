//! `fsck`: holds database and storage against each other, both ways, and explains what does not fit.
//!
//! It runs beside a working store: what looks wrong is looked at again before it is reported. Repairing takes damaged
//! blobs out of use, so that a push of the same bytes heals all that reference them, and hands what nobody needs to
//! garbage collection. It deletes nothing.

mod blobs;
mod storage;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::audit::Chain;
use crate::error::{Error, Result};
use crate::ownership::owned;
use crate::ports::blobs::BlobReads;
use crate::ports::inventory::Inventory;
use crate::ports::upkeep::Upkeep;

pub use crate::finding::{Finding, Kind, Progress};

/// How many contradictions of one sort are named, and how much of what leaked.
const SENTENCES_MAX: u32 = 1000;

/// With more files that cannot be read it is the storage that is at fault.
const UNREADABLE_MAX: usize = 1000;

/// What is looked at, and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Of so many blobs in a hundred the bytes are read and hashed.
    pub verify_percent: u8,
    /// Mend what can be mended.
    pub repair: bool,
    /// Bytes that are younger and that no row names belong to uploads that are under way.
    pub orphan_age: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Blobs in the database.
    pub blobs: u64,
    /// Those of them whose bytes were read and hashed.
    pub verified: u64,
    /// The bytes that were read for it.
    pub verified_bytes: u64,
    pub segments: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Segments that no row names yet, too young to be forgotten ones.
    pub young: u64,
    /// Dead segments that garbage collection will delete.
    pub dead: u64,
    /// Sealed rows of the audit trail that were verified.
    pub audit_rows: u64,
    /// Batches of it whose rows were dropped, as they were old.
    pub audit_dropped: u64,
    /// Whether its signatures were verified too.
    pub audit_signatures: bool,
    /// What does not fit.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether something is damaged that was not mended, be it out of use by now. Garbage is none.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.is_damage() && !finding.repaired)
    }

    /// Blobs that answer as absent now.
    pub fn out_of_use(&self) -> usize {
        let out = self.findings.iter().filter(|it| it.out_of_use);
        out.filter_map(|finding| finding.blob).collect::<HashSet<_>>().len()
    }
}

/// Checks a store. Cheap to clone.
#[derive(Clone)]
pub struct Fsck {
    upkeep: Arc<dyn Upkeep>,
    inventory: Arc<dyn Inventory>,
    blobs: Arc<dyn BlobReads>,
    chain: Option<Chain>,
}

impl Fsck {
    /// A check over these ports.
    pub fn new(upkeep: Arc<dyn Upkeep>, inventory: Arc<dyn Inventory>, blobs: Arc<dyn BlobReads>) -> Self {
        Self { upkeep, inventory, blobs, chain: None }
    }

    /// One that verifies the audit trail too.
    #[must_use]
    pub fn with_chain(mut self, chain: Chain) -> Self {
        self.chain = Some(chain);
        self
    }

    /// Checks, and mends if told to.
    ///
    /// # Errors
    /// [`Error::Denied`] if it may not repair, as the blobs belong to another database; [`Error::Unavailable`].
    pub async fn run(&self, scope: Scope, progress: Progress<'_>) -> Result<Report> {
        if scope.repair {
            owned(&*self.upkeep, &*self.inventory).await?;
        }
        let mut report = Report::default();
        progress("database", 0);
        let broken = self.upkeep.integrity(SENTENCES_MAX).await?;
        if !broken.is_empty() {
            // what rows of such a database say proves nothing
            report.findings = broken.into_iter().map(|text| Finding::new(Kind::Database, text)).collect();
            return Ok(report);
        }
        self.check_rows(scope, progress, &mut report).await?;
        if let Some(chain) = &self.chain {
            let checked = chain.verify(progress).await?;
            (report.audit_rows, report.audit_dropped) = (checked.rows, checked.dropped);
            report.audit_signatures = checked.signatures;
            report.findings.extend(checked.findings);
        }
        let stored = self.check_storage(scope, progress, &mut report).await?;
        self.check_presence(&stored, progress, &mut report).await?;
        self.name_blobs(&mut report).await?;
        let known: HashSet<i64> = report.findings.iter().filter_map(|finding| finding.blob).collect();
        self.check_blobs(scope, progress, &known, &mut report).await?;
        if scope.repair {
            self.quarantine(&mut report).await?;
        }
        report.findings.sort_by_key(|finding| (!finding.kind.is_damage(), finding.subject.clone()));
        Ok(report)
    }

    /// An error that is of one file, not of the storage: that answers otherwise.
    async fn is_of_one(&self, error: &Error, report: &Report) -> bool {
        let few = report.findings.iter().filter(|finding| finding.kind == Kind::Unreadable).count() < UNREADABLE_MAX;
        matches!(error, Error::Unavailable { .. }) && few && self.inventory.marker().await.is_ok()
    }

    async fn check_rows(&self, scope: Scope, progress: Progress<'_>, report: &mut Report) -> Result<()> {
        progress("rows", 0);
        if let Err(Error::Denied(why)) = owned(&*self.upkeep, &*self.inventory).await {
            report.findings.push(Finding::new(Kind::NotOwned, why));
        }
        // the queries are several, and the store works on: what was only passing is gone when asked again
        let found = self.upkeep.contradictions(SENTENCES_MAX).await?;
        let again = if found.is_empty() { Vec::new() } else { self.upkeep.contradictions(SENTENCES_MAX).await? };
        let both = again.into_iter().filter(|text| found.contains(text));
        report.findings.extend(both.map(|text| Finding::new(Kind::Contradiction, text)));
        let found = self.upkeep.leaked(SENTENCES_MAX).await?;
        let again = if found.is_empty() { Vec::new() } else { self.upkeep.leaked(SENTENCES_MAX).await? };
        let queued = if scope.repair && !again.is_empty() { self.upkeep.requeue_leaked().await? } else { 0 };
        for text in again.into_iter().filter(|text| found.contains(text)) {
            report.findings.push(Finding { repaired: queued > 0, ..Finding::new(Kind::Leaked, text) });
        }
        Ok(())
    }

    /// Whether it was still damaged; none if nobody can tell, as the storage answers and not for this one.
    async fn take_out_of_use(&self, blob: i64) -> Result<Option<bool>> {
        match self.is_damaged(blob).await {
            Ok(true) => self.upkeep.quarantine_blob(blob).await.map(|()| Some(true)),
            Ok(false) => Ok(Some(false)),
            Err(Error::Unavailable { .. }) if self.inventory.marker().await.is_ok() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes damaged blobs out of use, having looked once more: the check took its time, and a push may have healed one.
    async fn quarantine(&self, report: &mut Report) -> Result<()> {
        owned(&*self.upkeep, &*self.inventory).await?;
        let mut done = BTreeMap::new();
        for finding in &mut report.findings {
            let taken = finding.kind.is_damage() && !matches!(finding.kind, Kind::Quarantined | Kind::Unreadable);
            let (Some(blob), true) = (finding.blob, taken) else { continue };
            let still = match done.get(&blob) {
                Some(still) => *still,
                None => self.take_out_of_use(blob).await?,
            };
            done.insert(blob, still);
            finding.out_of_use = still == Some(true);
            finding.repaired = still == Some(false);
        }
        Ok(())
    }
}

/// A read that failed because of what is stored, not because the storage is away.
fn is_damage(error: &Error) -> bool {
    !matches!(error, Error::Unavailable { .. })
}
