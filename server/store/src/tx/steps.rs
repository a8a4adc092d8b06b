//! The places between statements where a test may hold a write up. Nothing but a test sets them, and where nobody did
//! a statement costs one look at a `None` more.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

/// A moment of a write, or of a use case that reads first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A transaction is about to begin: more than one in a write means that it is run again.
    Begin,
    /// This statement is about to be sent.
    Statement(&'static str),
    /// Whether an earlier COMMIT took place is about to be looked up.
    Look,
    /// COMMIT is about to be sent.
    Commit,
    Committed,
}

/// What is awaited before each step.
#[async_trait]
pub trait Steps: Send + Sync {
    /// Returns when the step may be taken.
    async fn before(&self, step: Step);
}

/// Steps, if a test watches them.
#[derive(Clone, Default)]
pub(crate) struct Watched(Option<Arc<dyn Steps>>);

impl Watched {
    pub(crate) fn by(steps: Arc<dyn Steps>) -> Self {
        Self(Some(steps))
    }

    pub(crate) async fn before(&self, step: Step) {
        if let Some(steps) = &self.0 {
            steps.before(step).await;
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watched" } else { "Unwatched" })
    }
}
