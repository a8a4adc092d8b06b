//! What a door transferred, for metrics: doors put it into their responses, and who counts takes it out.

/// Content that went in or out.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// In or out.
    pub direction: Direction,
    /// Through which bucket or namespace.
    pub bucket: String,
    /// Bytes; none if it failed.
    pub bytes: Option<u64>,
}

/// Which way content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Upload,
    /// To the client.
    Download,
    /// Away.
    Delete,
}
