//! The harness of the black-box tests: the server as a process, what it stands on, and the clients that talk to it.
//!
//! [`backend`] makes a fresh database and storage, [`server`] runs the binary on it, [`cluster`] runs three of them
//! behind a [`proxy`]; a [`recorder`] stands for what there is no emulator of. [`tools`] obtains and runs the real clients,
//! [`client`] is a small typed one for what they cannot say, [`layout`] makes images for them. [`inside`] looks at rows and
//! files behind the server's back. [`keycloak`] and [`kube`] give tokens as people, services and pods have them, [`jwt`]
//! reads those; an [`issuer`] of the test's own says what it is told. Nothing here knows the server's code.
#![expect(clippy::panic, clippy::missing_panics_doc, reason = "test code: it panics with a message that says why")]
#![expect(clippy::return_self_not_must_use, reason = "a check of a reply returns it for more checks, or for nothing")]

pub mod azure;
pub mod backend;
pub mod client;
pub mod cluster;
pub mod gcs;
pub mod inside;
pub mod issuer;
pub mod jwt;
pub mod keycloak;
pub mod kube;
pub mod layout;
pub mod proxy;
pub mod recorder;
pub mod s3;
pub mod server;
mod services;
pub mod signed;
pub mod tools;

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take before a test gives up: far beyond what a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    // not as it was when this was compiled: several clones may share one target directory
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let tests = PathBuf::from(tests);
    tests.parent().expect("the tests package lies in the workspace").to_owned()
}
