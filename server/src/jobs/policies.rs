//! Loads policies, access keys and revocations that another replica changed.

use std::sync::Arc;
use std::time::Duration;

use zot_identity::Identity;

use super::job::{Failure, Job, Progress};

pub(super) struct Policies {
    pub identity: Arc<Identity>,
}

impl Job for Policies {
    const NAME: &'static str = "policies";
    /// A revocation must not wait long once the database is back.
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);

    /// Changes are in force everywhere within a second.
    fn interval(&self) -> Duration {
        Duration::from_millis(400)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        self.identity.follow().await?;
        Ok(Progress::Done)
    }
}
