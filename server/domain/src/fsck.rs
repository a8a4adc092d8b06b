//! `fsck`: checks database and blob storage for consistency, both ways, and explains its findings.
//!
//! It runs beside a working store, so it checks everything suspicious again before it reports it. Repairing puts
//! damaged blobs in quarantine; a new push of the same bytes then heals all references. It makes unreferenced blobs
//! candidates for garbage collection. It deletes nothing itself.

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

/// Most contradictions and leaks of one kind that are reported.
const SENTENCES_MAX: u32 = 1000;

/// If more files cannot be read, the storage itself is at fault.
const UNREADABLE_MAX: usize = 1000;

/// What to check, and whether to repair it.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The percentage of blobs whose bytes are read and hashed.
    pub verify_percent: u8,
    pub repair: bool,
    /// Younger unreferenced segments may belong to running uploads.
    pub orphan_age: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Blobs in the database.
    pub blobs: u64,
    /// Blobs whose bytes were read and hashed.
    pub verified: u64,
    /// The bytes that were read for that.
    pub verified_bytes: u64,
    pub segments: u64,
    pub stored_bytes: u64,
    /// Unreferenced segments that are too young to be orphans.
    pub young: u64,
    /// Dead segments that garbage collection will delete.
    pub dead: u64,
    /// Audit rows in closed batches that were verified.
    pub audit_rows: u64,
    /// Batches whose old rows were dropped.
    pub audit_dropped: u64,
    /// Whether signatures were verified too.
    pub audit_signatures: bool,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether damage remains, also in quarantine. Garbage is no damage.
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
    pub fn new(upkeep: Arc<dyn Upkeep>, inventory: Arc<dyn Inventory>, blobs: Arc<dyn BlobReads>) -> Self {
        Self { upkeep, inventory, blobs, chain: None }
    }

    /// Verifies the audit trail too.
    #[must_use]
    pub fn with_chain(mut self, chain: Chain) -> Self {
        self.chain = Some(chain);
        self
    }

    /// Checks, and repairs if the scope says so.
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
            // the rows of a damaged database prove nothing
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

    /// Whether an error concerns one file and the storage itself answers.
    async fn is_of_one(&self, error: &Error, report: &Report) -> bool {
        let few = report.findings.iter().filter(|finding| finding.kind == Kind::Unreadable).count() < UNREADABLE_MAX;
        matches!(error, Error::Unavailable { .. }) && few && self.inventory.marker().await.is_ok()
    }

    async fn check_rows(&self, scope: Scope, progress: Progress<'_>, report: &mut Report) -> Result<()> {
        progress("rows", 0);
        if let Err(Error::Denied(why)) = owned(&*self.upkeep, &*self.inventory).await {
            report.findings.push(Finding::new(Kind::NotOwned, why));
        }
        // several queries run while the store works: contradictions that were only passing are gone the second time
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

    /// Whether the blob was still damaged. None if this blob cannot be read although the storage answers.
    async fn take_out_of_use(&self, blob: i64) -> Result<Option<bool>> {
        match self.is_damaged(blob).await {
            Ok(true) => self.upkeep.quarantine_blob(blob).await.map(|()| Some(true)),
            Ok(false) => Ok(Some(false)),
            Err(Error::Unavailable { .. }) if self.inventory.marker().await.is_ok() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts damaged blobs in quarantine, after another check: the first one takes long, and a push may have healed one.
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

/// The read failed because of the stored bytes, not because the storage is unavailable.
fn is_damage(error: &Error) -> bool {
    !matches!(error, Error::Unavailable { .. })
}
