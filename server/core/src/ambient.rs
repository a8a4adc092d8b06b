//! The clock and random identifiers. The server asks the operating system for them here only, so that a reader finds every
//! function whose result depends on them by its calls to this module.
#![expect(clippy::disallowed_methods, reason = "the one place that wraps them")]

use jiff::Timestamp;
use uuid::Uuid;

pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A version 4 UUID: 122 random bits.
pub fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// A version 7 UUID. Later ones sort after earlier ones.
pub fn ordered_id() -> Uuid {
    Uuid::now_v7()
}
