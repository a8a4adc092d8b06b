//! The byte deleter: deletes the bytes of segments that have been dead for the delay, if the storage still belongs to
//! this database.

use std::time::{Duration, Instant};

use super::{Collector, Report, secs};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::ownership::owned;
use crate::ports::upkeep::Hold;

/// Segments per deletion: the limit of one S3 request.
const BATCH: u32 = 1000;
/// How long a deleted segment's key is kept: a later commit of it must fail.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// Older unfinished files have no writer any more.
const UNFINISHED_AGE: Duration = Duration::from_hours(48);

impl Collector {
    /// Decides whether bytes may be deleted, and marks the storage as this database's: the marker's incarnation changes
    /// with each run, so a restored or copied database no longer matches it (rule A4).
    ///
    /// # Errors
    /// [`Error::Denied`] with the reason if not.
    pub(super) async fn permission(&self) -> Result<()> {
        let (current, next) = self.allowed().await?;
        self.enter(&current, next).await
    }

    /// Why no bytes would be deleted now, if so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn withheld(&self) -> Result<Option<String>> {
        match self.allowed().await {
            Ok(_) => Ok(None),
            Err(Error::Denied(why)) => Ok(Some(why)),
            Err(error) => Err(error),
        }
    }

    async fn allowed(&self) -> Result<(String, Option<String>)> {
        self.no_hold().await?;
        owned(&*self.upkeep, &*self.inventory).await
    }

    async fn no_hold(&self) -> Result<()> {
        if let Some(Hold { id, .. }) = self.upkeep.holds().await?.into_iter().next() {
            return Err(Error::Denied(format!(
                "a backup's hold {id:?} is active; `zot-artifact-store hold --id {id} --release` ends it"
            )));
        }
        Ok(())
    }

    /// Moves to the next incarnation. If a process died in between, the noted incarnation is used again.
    async fn enter(&self, current: &str, next: Option<String>) -> Result<()> {
        let next = next.unwrap_or_else(|| zot_core::ambient::random_id().simple().to_string());
        self.upkeep.begin_incarnation(current, &next).await?;
        self.inventory.set_marker(&next).await?;
        self.upkeep.enter_incarnation(&next).await
    }

    /// Makes the blobs this database's, whatever the marker says: after a restore, when no other server uses them.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn adopt(&self) -> Result<()> {
        self.upkeep.record_identity().await?;
        let (current, next) = self.upkeep.incarnations().await?;
        self.enter(&current, next).await
    }

    pub(super) async fn delete_bytes(&self, lease: &Lease, report: &mut Report) -> Result<()> {
        loop {
            let begun = Instant::now();
            let dead = self.upkeep.dead_segments(secs(self.rules.delete_delay), BATCH).await?;
            if dead.is_empty() {
                break;
            }
            let keys: Vec<_> = dead.iter().map(|segment| segment.key.clone()).collect();
            let gone = match self.inventory.delete(&keys).await {
                Ok(gone) => gone,
                // the whole batch failed although the storage answers: postpone it and continue with the others
                Err(_) if self.inventory.marker().await.is_ok() => Vec::new(),
                Err(error) => return Err(error),
            };
            self.upkeep.note_gone(&gone).await?;
            let (freed, stuck): (Vec<_>, Vec<_>) = dead.into_iter().partition(|segment| gone.contains(&segment.key));
            report.segments += freed.len() as u64;
            report.freed_bytes += freed.iter().map(|segment| segment.size).sum::<u64>();
            if !stuck.is_empty() {
                let keys: Vec<_> = stuck.into_iter().map(|segment| segment.key).collect();
                // the other segments must not wait for these
                self.upkeep.postpone(&keys).await?;
                report.stuck.extend(keys);
            }
            self.breathe(lease, begun).await?;
            // a backup that begins meanwhile stops the rest
            self.no_hold().await?;
        }
        while self.upkeep.forget_gone(secs(REMEMBERED)).await? > 0 {}
        report.freed_bytes += self.inventory.delete_unfinished(UNFINISHED_AGE).await?;
        Ok(())
    }
}
