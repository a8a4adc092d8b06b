//! What a check of the store or of its audit trail can find, with a sentence on what it means and what to do.

use std::fmt;

use crate::ports::upkeep::BlobRecord;

/// Is called with what is being looked at, and how many of them were.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64) + Send + Sync);

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A row names bytes that are not in storage.
    Missing,
    /// Bytes in storage are more or fewer than the row says.
    WrongSize,
    /// Bytes do not have the digest that the row says.
    Damaged,
    /// Bytes cannot be read, though the storage answers.
    Unreadable,
    /// The database's own files are damaged.
    Database,
    /// A blob's segments do not make up its length.
    Incomplete,
    /// A blob was taken out of use, and nobody has pushed its bytes since.
    Quarantined,
    /// Rows contradict each other.
    Contradiction,
    /// Something that nothing references and that garbage collection would never look at.
    Leaked,
    /// A segment in storage that no row names.
    Orphan,
    /// Something in the store's part of the storage that is no segment.
    Foreign,
    /// The blobs are not this database's to delete.
    NotOwned,
    /// Rows of the audit trail are not as they were sealed.
    AuditChanged,
    /// Rows of the audit trail are gone that were sealed.
    AuditMissing,
    /// Rows of the audit trail say that they were sealed, and were not.
    AuditAdded,
    /// Batches of the audit trail are gone, or do not follow each other.
    AuditChain,
    /// A signature of the audit trail is not right, or cannot be verified.
    AuditSignature,
}

impl Kind {
    /// Whether something that a client put is affected; else it is only garbage.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::Leaked | Self::Orphan | Self::Foreign | Self::NotOwned)
    }

    /// One word for programs.
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

    /// What it means, and what to do.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Missing => {
                "The database names bytes that are not in storage: the bucket or folder lost them, or a database was \
                 restored that is older than their deletion. `--repair` makes the blob answer as absent; push it again."
            }
            Self::WrongSize => {
                "The bytes in storage are more or fewer than were written. `--repair` makes the blob answer as absent; \
                 push it again."
            }
            Self::Damaged => {
                "The bytes in storage are not those that were written. `--repair` makes the blob answer as absent; push \
                 it again, and look for the cause in the storage."
            }
            Self::Unreadable => {
                "The storage answers, and not for these bytes: look at rights and at the disk. Nothing else is done about it: \
                 they may be whole."
            }
            Self::Database => {
                "The database's file is damaged, so what it says proves nothing and nothing else was looked at. Stop the \
                 server, restore the database from a backup (docs/runbooks/backup-and-restore.md), and look at the disk."
            }
            Self::Incomplete => {
                "The rows of a blob's segments do not make up its length. This is a fault of the server: please report \
                 it. `--repair` makes the blob answer as absent; push it again."
            }
            Self::Quarantined => {
                "It was damaged and answers as absent. Sending the same bytes again heals it everywhere (crane and oras do so under a \
                 new tag, others always); so does `--repair`, once \
                 its bytes are back in storage from a backup."
            }
            Self::Contradiction => "Rows contradict each other. This is a fault of the server: please report it.",
            Self::Leaked => "It only takes up space. `--repair` tells garbage collection about it.",
            Self::Orphan => {
                "An upload was cut off before its commit. Garbage collection deletes the bytes; `--repair` claims them \
                 for it now."
            }
            Self::NotOwned => {
                "Reading and writing go on, deleting does not. See docs/runbooks/backup-and-restore.md before you run `adopt`."
            }
            Self::AuditChanged | Self::AuditMissing | Self::AuditAdded | Self::AuditChain => {
                "Somebody changed the audit trail behind the store's back, or a part of the database was restored. Compare with \
                 `log.audit` files and exports, and keep the database as it is for whoever looks into it. Nothing mends it."
            }
            Self::AuditSignature => {
                "Somebody changed the audit trail's roots behind the store's back; or they were signed by a key that this \
                 command does not have: run it with the master key of then."
            }
            Self::Foreign => {
                "Nothing of this store's is named like that. Look who put it there; the store never deletes it."
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: Kind,
    /// What it is about, for people.
    pub subject: String,
    /// The blob that is affected.
    pub blob: Option<i64>,
    /// That blob's digest, if it has one.
    pub digest: Option<String>,
    /// Repository or object that has the blob; it may be one of many.
    pub used_by: Option<String>,
    pub repaired: bool,
    /// The blob was taken out of use: it answers as absent until its bytes are pushed again.
    pub out_of_use: bool,
}

impl Finding {
    /// One that is not about a blob.
    pub fn new(kind: Kind, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { kind, subject, blob: None, digest: None, used_by: None, repaired: false, out_of_use: false }
    }

    pub(crate) fn of_blob(kind: Kind, blob: &BlobRecord, subject: impl Into<String>) -> Self {
        let mut finding = Self { blob: Some(blob.id), ..Self::new(kind, subject) };
        finding.know(blob);
        finding
    }

    /// Notes which blob it is, for programs.
    pub(crate) fn know(&mut self, blob: &BlobRecord) {
        self.digest = blob.sha256().map(ToString::to_string);
        self.used_by.clone_from(&blob.used_by);
    }
}
