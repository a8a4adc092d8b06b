//! Names, digests, checksums, manifests, principals and the policy engine: pure functions over plain values.
//!
//! There is no I/O here, no port and nothing async; [`ambient`] alone reads the clock and draws random numbers. Every other
//! crate of the server may depend on this one; it depends on none of them.

pub mod action;
pub mod ambient;
pub mod audit_action;
pub mod checksum;
pub mod digest;
pub mod hash;
pub mod invalid;
pub mod manifest;
pub mod media_type;
pub mod name;
pub mod object_key;
pub mod policy;
pub mod principal;
pub mod range;
pub mod render;

pub use audit_action::AuditAction;
pub use invalid::Invalid;
