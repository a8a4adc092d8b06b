//! Reports in each replica's health why bytes are not deleted, whichever replica collects. It follows holds of backups
//! promptly, not only with the next garbage collection.

use std::time::Duration;

use zot_domain::gc::Collector;
use zot_gateway::Notes;

use super::job::{Failure, Job, Progress};

pub(super) struct DeletionWatch {
    pub collector: Collector,
    pub notes: Notes,
}

impl Job for DeletionWatch {
    const NAME: &'static str = "deletion_watch";

    fn interval(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn run(&mut self) -> Result<Progress, Failure> {
        let withheld = self.collector.withheld().await;
        let why = withheld.as_ref().ok().and_then(Option::as_ref);
        self.notes.set("deletion", why.map(|why| format!("garbage collection deletes no bytes: {why}")));
        withheld?;
        Ok(Progress::Done)
    }
}
