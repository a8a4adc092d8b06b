//! The REST API in its own process.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/rbac.rs"]
mod rbac;
