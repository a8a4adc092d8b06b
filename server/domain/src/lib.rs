//! Use cases of the store, and the ports that they need. No framework and no I/O.
//!
//! # The nouns
//! - [`Blob`](ports::content::BlobContent): bytes with a digest, stored once, inline or as segments.
//! - [`Manifest`](zot_core::manifest::Manifest): an OCI manifest or index, kept byte for byte, with tags and referrers.
//! - [`RepositoryName`](zot_core::name::RepositoryName): where artifacts live; its first component is the namespace.
//! - [`Principal`](zot_core::principal::Principal): the caller, however the request was authenticated.
//!
//! # The flow
//! ```text
//! API -> Call (principal, request id) -> Artifacts, Buckets, Access, AuditLog -> Authorizer -> ports -> database and blobs
//! ```
//! An API parses its dialect into the types of `zot-core` and calls one use case. Each use case is in the file of its
//! verb (`artifact/{read,upload,publish,list,delete}.rs`). It asks the [`authorizer`] first, then calls the ports
//! ([`ports::metadata::Metadata`], [`ports::blobs::Blobs`]) that the adapters `zot-store` and `zot-blobs` implement.
//! All content is read through [`read`]. Bytes are durable before the transaction that references them begins.
//!
//! Nothing here knows HTTP, SQL or a storage SDK; Cargo enforces that.

mod body;

pub mod access;
pub mod artifact;
pub mod audit;
pub mod authorizer;
pub mod bucket;
pub mod call;
pub mod condition;
pub mod decision_log;
pub mod disk_reserve;
pub mod error;
pub mod finding;
pub mod fsck;
pub mod gc;
pub mod lease;
pub mod observed;
pub mod ownership;
pub mod ports;
pub mod read;

pub use access::Access;
pub use artifact::Artifacts;
pub use audit::AuditLog;
pub use bucket::Buckets;
pub use call::Call;
pub use error::{AdministrationError, ArtifactError, Error, MayBeCommon, ObjectError, Result};
