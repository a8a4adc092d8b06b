//! The OCI API, the registry's tokens, and what all requests pass: each rule, each bad input, and what operators see.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

#[path = "it/auth.rs"]
mod auth;
#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/chunks.rs"]
mod chunks;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/manifests.rs"]
mod manifests;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/mount.rs"]
mod mount;
#[path = "it/names.rs"]
mod names;
#[path = "it/operations.rs"]
mod operations;
#[path = "it/pagination.rs"]
mod pagination;
#[path = "it/ranges.rs"]
mod ranges;
#[path = "it/referrers.rs"]
mod referrers;
#[path = "it/rights.rs"]
mod rights;
#[path = "it/tokens.rs"]
mod tokens;
