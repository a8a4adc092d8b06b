//! The audit trail: who did what, who was refused and why, in rows that cannot be changed without notice.
//!
//! A write's row is made in its own transaction. What reads and what is refused changes nothing, so its record waits in
//! the [`Trail`], in memory and bounded, and is written with others. A [`Sealer`] makes batches of committed rows, each
//! with the root of a tree of hashes, chained and signed; a [`Chain`] verifies them. [`AuditLog`] is what auditors ask.
//!
//! Where decisions are made and witnessed does not live here (`policy/witness.rs`), nor do files and signing keys.

mod batch;
mod chain;
mod log;
mod merkle;
mod seal;
mod trail;

pub use batch::{Signer, root_of};
pub use chain::{Chain, Checked};
pub use log::{AuditLog, Export, LIMIT_MAX, Page};
pub use seal::{Sealed, Sealer};
pub use trail::{BATCH_MAX, Figures, Outcome, QUEUE_MAX, Record, Trail};
