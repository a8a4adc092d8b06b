//! What APIs observe of a request, for metrics. Each API attaches it to its response, and the gateway counts all APIs
//! alike.

use crate::error::Error;

/// Content that was received or sent.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub direction: Direction,
    /// `blob`, `manifest` or `object`.
    pub kind: &'static str,
    /// The bucket or namespace.
    pub bucket: String,
    /// None if it failed.
    pub bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Upload,
    Download,
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub struct Authentication {
    pub method: &'static str,
    pub success: bool,
}

/// A failure of the server or of one of its dependencies.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// `unavailable` or `internal`.
    pub kind: &'static str,
    pub component: &'static str,
}

impl Fault {
    /// None if the error is the client's.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Unavailable { component, .. } => Some(Self { kind: "unavailable", component }),
            Error::Internal(_) => Some(Self { kind: "internal", component: "server" }),
            _ => None,
        }
    }
}
