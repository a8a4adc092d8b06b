//! Verifying the audit trail: each batch matches its signature, is chained to the previous one, and no row is outside a
//! batch.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::batch::{self, Signer};
use crate::error::Result;
use crate::finding::{Finding, Kind, Progress};
use crate::ports::audit::{Changes, Root};

/// Roots in a page.
const PAGE: u32 = 100;
/// Most missing batches that are reported.
const STRAYS_MAX: u32 = 1000;

#[derive(Clone, Debug, Default)]
pub struct Checked {
    pub batches: u64,
    pub rows: u64,
    /// Batches whose rows were dropped.
    pub dropped: u64,
    /// Whether signatures were verified. Without a key only hashes are.
    pub signatures: bool,
    /// The root of the last batch, to compare with an earlier copy.
    pub last: Option<(i64, String)>,
    pub findings: Vec<Finding>,
}

/// Verifies the trail. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    changes: Arc<dyn Changes>,
    signer: Option<Arc<dyn Signer>>,
}

impl Chain {
    /// Verifies the trail in this database. Without a signer, signatures are not verified.
    pub fn new(changes: Arc<dyn Changes>, signer: Option<Arc<dyn Signer>>) -> Self {
        Self { changes, signer }
    }

    /// Compares the trail with a root from a file and returns what is wrong.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn compare(&self, noted: &Root) -> Result<Option<Finding>> {
        let seq = noted.seq;
        let found = self.changes.roots_after(seq - 1, 1).await?;
        let Some(root) = found.first().filter(|root| {
            (root.seq, root.rows, &root.root, &root.prev) == (seq, noted.rows, &noted.root, &noted.prev)
                && (&root.key_id, &root.signature) == (&noted.key_id, &noted.signature)
        }) else {
            let text = format!("batch {seq} of the audit trail differs from the one in the file");
            return Ok(Some(Finding::new(Kind::AuditChain, text)));
        };
        // a file that ends earlier may lack rows that were dropped later, and no others
        let lacks = noted.dropped.is_some() && root.dropped.is_none();
        let text = || format!("batch {seq} is dropped in the file, but the audit trail has its rows");
        Ok(lacks.then(|| Finding::new(Kind::AuditMissing, text())))
    }

    /// Verifies the whole trail.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn verify(&self, progress: Progress<'_>) -> Result<Checked> {
        let mut checked = Checked { signatures: self.signer.is_some(), ..Checked::default() };
        let mut keys = BTreeSet::new();
        let mut before: Option<Root> = None;
        progress("audit rows", 0);
        loop {
            let place = before.as_ref().map_or(0, |root| root.seq);
            let page = self.changes.roots_after(place, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for root in page {
                self.verify_link(&root, before.as_ref(), &mut keys, &mut checked);
                self.verify_rows(&root, &mut checked).await?;
                progress("audit rows", checked.rows);
                before = Some(root);
            }
        }
        checked.last = before.map(|root| (root.seq, root.root));
        self.look_for_strays(&mut checked).await?;
        Ok(checked)
    }

    /// Verifies a root and its link to the previous one. Each missing key is reported once.
    fn verify_link(&self, root: &Root, before: Option<&Root>, keys: &mut BTreeSet<String>, checked: &mut Checked) {
        let mut found = |kind, text: String| checked.findings.push(Finding::new(kind, text));
        let (seq, last) = (root.seq, before.map_or(0, |root| root.seq));
        if seq != last + 1 {
            found(Kind::AuditChain, format!("batches {} to {} of the audit trail are missing", last + 1, seq - 1));
        } else if root.prev != batch::link(before) {
            found(Kind::AuditChain, format!("batch {seq} of the audit trail does not follow the one before it"));
        }
        let Some(signer) = &self.signer else { return };
        let dropped = root.dropped.as_ref().map(|signature| (batch::drop_message(root), signature, "being dropped"));
        for (message, signature, what) in
            [(batch::message(root), &root.signature, "its rows")].into_iter().chain(dropped)
        {
            match signer.verify(&root.key_id, &message, signature) {
                Some(true) => {}
                Some(false) => {
                    found(
                        Kind::AuditSignature,
                        format!("batch {seq} of the audit trail: the signature of {what} is wrong"),
                    );
                }
                None if keys.insert(root.key_id.clone()) => found(
                    Kind::AuditSignature,
                    format!(
                        "batch {seq} of the audit trail, and maybe others, are signed by the key {:?}",
                        root.key_id
                    ),
                ),
                None => {}
            }
        }
    }

    async fn verify_rows(&self, root: &Root, checked: &mut Checked) -> Result<()> {
        if root.dropped.is_some() {
            checked.dropped += 1;
            return Ok(());
        }
        checked.batches += 1;
        // one more row than expected shows that there are too many
        let limit = u32::try_from(root.rows).unwrap_or(u32::MAX - 1).saturating_add(1);
        let rows = self.changes.batch(root.seq, limit).await?;
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        checked.rows += rows.len() as u64;
        if count == root.rows && batch::root_of(&rows) == root.root {
            return Ok(());
        }
        // it may have been dropped between the two reads
        let now = self.changes.roots_after(root.seq - 1, 1).await?;
        if now.first().is_some_and(|now| now.seq == root.seq && now.dropped.is_some()) {
            return Ok(());
        }
        let (seq, wanted) = (root.seq, root.rows);
        let (kind, what) = match count.cmp(&wanted) {
            Ordering::Less => (Kind::AuditMissing, format!("has {count} rows, but was closed with {wanted}")),
            Ordering::Greater => (Kind::AuditAdded, format!("has more than its {wanted} rows")),
            Ordering::Equal => (Kind::AuditChanged, format!("has {wanted} rows, but some changed after it was closed")),
        };
        checked.findings.push(Finding::new(kind, format!("batch {seq} of the audit trail {what}")));
        Ok(())
    }

    /// Finds rows of batches that do not exist. Batches are closed meanwhile, so it asks twice.
    async fn look_for_strays(&self, checked: &mut Checked) -> Result<()> {
        let found = self.changes.stray_batches(STRAYS_MAX).await?;
        let again = if found.is_empty() { Vec::new() } else { self.changes.stray_batches(STRAYS_MAX).await? };
        for seq in again.into_iter().filter(|seq| found.contains(seq)) {
            let text = format!("rows of the audit trail belong to batch {seq}, which does not exist");
            checked.findings.push(Finding::new(Kind::AuditAdded, text));
        }
        Ok(())
    }
}
