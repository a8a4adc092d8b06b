//! The steps between statements at which a test may pause a write. Only tests set them; otherwise each statement costs
//! one check of a `None`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

/// A step of a write, or of a use case that reads first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Before a transaction begins. More than one in a write means that it is repeated.
    Begin,
    /// Before this statement is sent.
    Statement(&'static str),
    /// Before the lookup whether an earlier COMMIT happened.
    Look,
    /// Before COMMIT is sent.
    Commit,
    Committed,
}

#[async_trait]
pub trait Steps: Send + Sync {
    /// Returns when the step may continue.
    async fn before(&self, step: Step);
}

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
