//! The audit trail: who did what, who was refused and why. Changed rows are detected.
//!
//! A write adds its row in its own transaction. Reads and denials change nothing, so their records wait in the decision
//! log's queue (`decision_log.rs`), which writes them in groups. [`BatchCloser`] closes batches of committed rows: each
//! batch has a Merkle root, which is chained and signed. [`Chain`] verifies the batches, [`AuditLog`] answers auditors.
//! The server has the files and the signing keys.

mod batch;
mod chain;
mod close;
mod log;
mod merkle;

pub use batch::{Signer, root_of};
pub use chain::{Chain, Checked};
pub use close::{BatchCloser, Closed};
pub use log::{AuditLog, Export, LIMIT_MAX, Page};
