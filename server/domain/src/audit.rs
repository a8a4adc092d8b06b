//! The audit trail: who did what, who was refused and why, in rows that cannot be changed without notice.
//!
//! A write's row is made in its own transaction. A read or a refusal changes nothing, so its record waits in the queue of
//! the decision log (`decision_log.rs`) and is written with others. A [`BatchCloser`] makes batches of committed rows,
//! each with the root of a tree of hashes, chained and signed; a [`Chain`] verifies them. [`AuditLog`] is what auditors
//! ask. Files and signing keys are the server's.

mod batch;
mod chain;
mod close;
mod log;
mod merkle;

pub use batch::{Signer, root_of};
pub use chain::{Chain, Checked};
pub use close::{BatchCloser, Closed};
pub use log::{AuditLog, Export, LIMIT_MAX, Page};
