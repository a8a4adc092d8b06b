//! A server for the tests of the API crates: all APIs over a fresh SQLite database and a directory of blobs, without
//! sockets. Requests go into the router.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where something is not as it must be")]
#![expect(missing_docs, clippy::missing_panics_doc, reason = "only tests use it, and names say what each item does")]
#![expect(clippy::return_self_not_must_use, reason = "tests build requests in chains and may ignore a checked reply")]

pub mod app;
pub mod client;
pub mod content;
mod invariants;
pub mod reply;
