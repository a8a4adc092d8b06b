//! The harness of the black-box tests: the server as a process, its database and storage, and its clients.
//!
//! [`backend`] creates a fresh database and storage. [`server`] runs the binary on it. [`cluster`] runs three of them
//! behind a [`proxy`]. A [`recorder`] replaces services without an emulator. [`tools`] gets and runs the real clients.
//! [`client`] sends what they cannot send. [`layout`] creates images for them. [`inside`] reads and changes rows and files
//! directly. [`keycloak`] and [`kube`] issue tokens of people, services and pods. [`jwt`] decodes tokens. An [`issuer`] signs
//! anything that a test wants. Nothing here uses the server's code.
#![expect(clippy::panic, clippy::missing_panics_doc, reason = "test code: it panics with a message that says why")]
#![expect(clippy::disallowed_methods, reason = "black-box tests use no code of the server, and real time")]
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

/// How long a test waits before it fails: far longer than a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    // read at run time: several clones may share one target directory
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let tests = PathBuf::from(tests);
    tests.parent().expect("the tests package lies in the workspace").to_owned()
}
