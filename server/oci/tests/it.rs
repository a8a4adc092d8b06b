//! The doors of the main port, over a fresh SQLite database and a directory of blobs: each rule of the OCI door, each
//! bad input, and what operators see. No sockets: requests go into the router itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it should be")]

#[path = "it/app.rs"]
mod app;
#[path = "it/auth.rs"]
mod auth;
#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/chunks.rs"]
mod chunks;
#[path = "it/client.rs"]
mod client;
#[path = "it/content.rs"]
mod content;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/invariants.rs"]
mod invariants;
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
#[path = "it/reply.rs"]
mod reply;
#[path = "it/rights.rs"]
mod rights;
#[path = "it/tokens.rs"]
mod tokens;
