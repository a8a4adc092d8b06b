//! What an API observed of a request, for metrics. Each API attaches it to its response, and one place counts it: so all
//! APIs are counted alike.

use crate::error::Error;

/// Content that went in or out.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub direction: Direction,
    /// `blob`, `manifest` or `object`.
    pub kind: &'static str,
    /// Through which bucket or namespace.
    pub bucket: String,
    /// Bytes; none if it failed.
    pub bytes: Option<u64>,
}

/// Which way content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Upload,
    Download,
    Delete,
}

/// Credentials that were presented.
#[derive(Clone, Copy, Debug)]
pub struct Authentication {
    pub method: &'static str,
    /// Whether they were right.
    pub success: bool,
}

/// A failure of the server, or of what it depends on.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// `unavailable` or `internal`.
    pub kind: &'static str,
    pub component: &'static str,
}

impl Fault {
    /// The fault behind an error; none if it is the client's.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Unavailable { component, .. } => Some(Self { kind: "unavailable", component }),
            Error::Internal(_) => Some(Self { kind: "internal", component: "server" }),
            _ => None,
        }
    }
}
