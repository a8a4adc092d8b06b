//! The effect of a statement.

use serde::{Deserialize, Serialize};

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    #[default]
    Allow,
    /// It may not, whatever else allows it.
    Deny,
}
