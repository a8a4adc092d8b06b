//! The clock and random values. The operator asks the operating system for them here only.
#![expect(clippy::disallowed_methods, reason = "the one place that wraps them")]

use jiff::Timestamp;
use uuid::Uuid;

pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A version 4 UUID: 122 random bits.
pub(crate) fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// A random number from 0 to `limit`, for jitter.
pub(crate) fn random_up_to(limit: f64) -> f64 {
    fastrand::f64() * limit
}
