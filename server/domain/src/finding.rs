//! What a check of the store or of its audit trail can find, with its meaning and remedy.

use std::fmt;

use crate::ports::upkeep::BlobRecord;

/// Called with what is checked and how many were checked.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64) + Send + Sync);

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A row references bytes that are not in storage.
    Missing,
    /// The size in storage differs from the row's.
    WrongSize,
    /// The bytes do not have the row's digest.
    Damaged,
    /// Bytes cannot be read although the storage answers.
    Unreadable,
    /// The database's own files are damaged.
    Database,
    /// A blob's segments do not add up to its length.
    Incomplete,
    /// A blob is in quarantine, and its bytes were not pushed again.
    Quarantined,
    Contradiction,
    /// Nothing references it, and garbage collection would never find it.
    Leaked,
    /// A segment in storage without a row.
    Orphan,
    /// A file in the store's part of the storage that is no segment.
    Foreign,
    /// The blobs belong to another database.
    NotOwned,
    /// Rows of the audit trail changed after their batch was closed.
    AuditChanged,
    /// Rows of a closed batch are missing.
    AuditMissing,
    /// Rows were added to a closed batch, or claim a batch that does not exist.
    AuditAdded,
    /// Batches of the audit trail are missing or not chained.
    AuditChain,
    /// A signature of the audit trail is invalid or cannot be verified.
    AuditSignature,
}

impl Kind {
    /// Whether content of a client is affected. Otherwise it is only garbage.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::Leaked | Self::Orphan | Self::Foreign | Self::NotOwned)
    }

    /// One word, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::WrongSize => "wrong-size",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Database => "database",
            Self::Incomplete => "incomplete",
            Self::Quarantined => "quarantined",
            Self::Contradiction => "contradiction",
            Self::Leaked => "leaked",
            Self::Orphan => "orphan",
            Self::Foreign => "foreign",
            Self::NotOwned => "not-owned",
            Self::AuditChanged => "audit-changed",
            Self::AuditMissing => "audit-missing",
            Self::AuditAdded => "audit-added",
            Self::AuditChain => "audit-chain",
            Self::AuditSignature => "audit-signature",
        }
    }

    /// What it means and what to do.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Missing => {
                "The database references bytes that are not in storage: the bucket or folder lost them, or the database \
                 was restored from a backup older than their deletion. `--repair` makes the blob answer as absent; push it again."
            }
            Self::WrongSize => {
                "The size in storage differs from the size that was written. `--repair` makes the blob answer as absent; \
                 push it again."
            }
            Self::Damaged => {
                "The bytes in storage are not those that were written. `--repair` makes the blob answer as absent; push \
                 it again, and look for the cause in the storage."
            }
            Self::Unreadable => {
                "The storage answers, but these bytes cannot be read. They may be intact, so `--repair` does nothing: check \
                 file permissions and the disk."
            }
            Self::Database => {
                "The database's file is damaged, so nothing else was checked. Stop the server, restore the database from a \
                 backup (docs/runbooks/backup-and-restore.md), and check the disk."
            }
            Self::Incomplete => {
                "The rows of a blob's segments do not add up to its length. This is a fault of the server: please report \
                 it. `--repair` makes the blob answer as absent; push it again."
            }
            Self::Quarantined => {
                "It was damaged and answers as absent. Sending the same bytes again heals it everywhere (crane and oras need a \
                 new tag for that). So does `--repair`, once its bytes are back in storage from a backup."
            }
            Self::Contradiction => "Rows contradict each other. This is a fault of the server: please report it.",
            Self::Leaked => "It only takes up space. `--repair` makes it a candidate for garbage collection.",
            Self::Orphan => {
                "An upload ended before its commit. Garbage collection deletes the bytes; `--repair` claims them for it now."
            }
            Self::NotOwned => {
                "Reading and writing work, deleting does not. See docs/runbooks/backup-and-restore.md before you run `adopt`."
            }
            Self::AuditChanged | Self::AuditMissing | Self::AuditAdded | Self::AuditChain => {
                "Somebody changed the audit trail in the database, or a part of the database was restored. This cannot be \
                 repaired. Compare with `log.audit` files and exports, and keep the database for the investigation."
            }
            Self::AuditSignature => {
                "Somebody changed the roots of the audit trail in the database, or an earlier master key signed them: run \
                 this command with that key."
            }
            Self::Foreign => {
                "The store does not create such names. Find out who put it there; the store never deletes it."
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: Kind,
    /// What it is about, for people.
    pub subject: String,
    pub blob: Option<i64>,
    pub digest: Option<String>,
    /// A repository or object that uses the blob; there may be more.
    pub used_by: Option<String>,
    pub repaired: bool,
    /// The blob is in quarantine: it answers as absent until its bytes are pushed again.
    pub out_of_use: bool,
}

impl Finding {
    /// A finding that is not about a blob.
    pub fn new(kind: Kind, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { kind, subject, blob: None, digest: None, used_by: None, repaired: false, out_of_use: false }
    }

    pub(crate) fn of_blob(kind: Kind, blob: &BlobRecord, subject: impl Into<String>) -> Self {
        let mut finding = Self { blob: Some(blob.id), ..Self::new(kind, subject) };
        finding.know(blob);
        finding
    }

    /// Adds the blob's id and digest, for programs.
    pub(crate) fn know(&mut self, blob: &BlobRecord) {
        self.digest = blob.sha256().map(ToString::to_string);
        self.used_by.clone_from(&blob.used_by);
    }
}
