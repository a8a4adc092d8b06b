//! Decides whether a principal may do an action to a resource. Policies, bucket policies and public access are all
//! statements. A denial wins, and without a match the action is denied. The decision is a pure function of [`Rules`],
//! principal, action, resource and [`Context`].
//!
//! The database's statements come from `zot-store`. S3's dialect is in `policy/bucket.rs`.

pub mod bucket;
pub mod condition;
mod decide;
mod effect;
mod glob;
mod operation;
pub mod pattern;
mod public;
mod resource;
mod rules;
mod shipped;
mod statement;

pub use condition::{Condition, Context};
pub use decide::{Decision, Reason, Settings, covers_catalog, decide};
pub use effect::Effect;
pub use operation::{Operation, Operations};
pub use pattern::{PrincipalPattern, ResourcePattern};
pub use resource::{Resource, ResourceKind};
pub use rules::{Rules, Verdict};
pub use shipped::shipped;
pub use statement::{Policy, Statement};

#[cfg(test)]
mod tests;
