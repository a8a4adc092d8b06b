//! The nouns of the store, its rules, and what a user can do with it; no framework and no I/O.
//!
//! # The nouns
//! - [`Blob`](ports::metadata::BlobContent): bytes with a digest, stored once, inline or as segments.
//! - [`Manifest`](artifact::manifest::Manifest): an OCI manifest or index, kept byte-exact, with tags and referrers.
//! - [`RepositoryName`](artifact::name::RepositoryName): where artifacts live; its first component is the namespace.
//! - [`Principal`](identity::Principal): who asks, whichever way the request was authenticated.
//!
//! # The flow
//! ```text
//! door -> Call (principal, request id) -> Artifacts::<use case> -> policy::decide -> ports -> database and blobs
//! ```
//! A door parses its dialect into the types of [`artifact`] and calls one method of [`Artifacts`]. Each method lives in
//! the file of its verb (`artifact/{read,upload,publish,list,delete}.rs`), asks [`policy::decide`] first, and then calls
//! the ports ([`ports::metadata::Metadata`], [`ports::blobs::Blobs`]) that the adapters `zot-store` and `zot-blobs`
//! implement. Bytes are durable before the one transaction that names them begins.
//!
//! Nothing here knows HTTP, SQL or a storage SDK; Cargo holds it to that.

pub mod access;
pub mod artifact;
pub mod audit;
pub mod authorizer;
pub mod bucket;
pub mod call;
pub mod disk_reserve;
pub mod error;
pub mod fsck;
pub mod gc;
pub mod lease;
pub mod observed;
pub mod ports;

pub use access::Access;
pub use artifact::Artifacts;
pub use audit::AuditLog;
pub use bucket::Buckets;
pub use call::Call;
pub use error::{Error, Result};
