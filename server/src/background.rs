//! Background tasks of a serving replica: sealing, and garbage collection. Those of the audit trail are in
//! `background/audit.rs`.

pub(crate) mod audit;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use zot_domain::Buckets;
use zot_domain::gc::{Collector, Report};
use zot_domain::ports::inventory::SHARDS;
use zot_domain::ports::upkeep::Upkeep;
use zot_gateway::Notes;
use zot_gateway::metrics::Metrics;
use zot_identity::{Accounts, Identity};

use crate::masters;

/// How often to look for changed policies: they are in force everywhere within a second.
const FOLLOW_PAUSE: Duration = Duration::from_millis(400);
/// How often to look for other master keys.
const KEYS_PAUSE: Duration = Duration::from_secs(5);
/// How often to look for something to seal.
const SEAL_PAUSE: Duration = Duration::from_secs(2);
/// How often to ask whether bytes may be deleted.
const DELETION_PAUSE: Duration = Duration::from_secs(5);
/// A replica that just started waits this long before it collects, unless the interval is shorter.
const FIRST_RUN: Duration = Duration::from_mins(1);
/// The sweep is once around the storage in this time.
const SWEEP_ROUND: Duration = Duration::from_hours(24);

/// Runs a task that never ends, anew if it panics: nobody would notice that nothing is collected any more.
pub(crate) async fn kept_up<T: Future<Output = ()> + Send + 'static>(name: &'static str, task: impl Fn() -> T) {
    loop {
        let mut running = JoinSet::new();
        running.spawn(task());
        if let Some(Err(error)) = running.join_next().await {
            tracing::error!(%error, task = name, "a background task broke down, and begins anew");
        }
        tokio::time::sleep(FIRST_RUN).await;
    }
}

/// Seals objects that were uploaded in parts, one at a time.
pub(crate) async fn seal(buckets: Buckets, upkeep: Arc<dyn Upkeep>) {
    let lease = Buckets::digest_lease(upkeep, uuid::Uuid::new_v4().to_string());
    loop {
        match buckets.digest_next(&lease).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(SEAL_PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, "sealing failed and will be tried again");
                tokio::time::sleep(10 * SEAL_PAUSE).await;
            }
        }
    }
}

/// Sees policies, access keys and revocations that were changed through another replica.
pub(crate) async fn follow(identity: Arc<Identity>) {
    let mut well = true;
    loop {
        tokio::time::sleep(FOLLOW_PAUSE).await;
        match identity.follow().await {
            Ok(()) => well = true,
            Err(error) => {
                // once, and not twice a second for as long as the database is away
                if well {
                    tracing::error!(%error, "policies and access keys that were changed elsewhere cannot be seen");
                }
                well = false;
            }
        }
    }
}

/// Takes other master keys into use when their file changes, and closes secrets anew with the one in use.
pub(crate) async fn keep_keys(identity: Arc<Identity>, accounts: Accounts, origin: masters::Origin, notes: Notes) {
    let mut used = origin.read().unwrap_or_default();
    loop {
        match origin.read() {
            Ok(found) if found != used => match identity.rotate(&found) {
                Ok(()) => {
                    tracing::info!(keys = found.len(), "the master keys were changed");
                    used = found;
                }
                Err(error) => tracing::error!(%error, "the master keys cannot be used"),
            },
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the master keys cannot be read; those of before serve on"),
        }
        match accounts.reencrypt().await {
            Ok((closed, lost)) => {
                if closed > 0 {
                    tracing::info!(closed, "access keys were closed with the master key in use");
                }
                let why = format!(
                    "{lost} access keys cannot be opened: they were closed with a master key that is not here; add it to \
                     auth.keyFile, or delete them"
                );
                notes.set("accesskeys", (lost > 0).then_some(why));
            }
            Err(error) => tracing::debug!(%error, "access keys were not looked through"),
        }
        let silent = identity.unreachable_issuers().await.join(", ");
        let why = format!("issuers do not answer: {silent}. Tokens of keys that are known are taken, others refused");
        notes.set("issuers", (!silent.is_empty()).then_some(why));
        tokio::time::sleep(KEYS_PAUSE).await;
    }
}

/// Collects garbage, one replica at a time.
pub(crate) async fn collect(collector: Collector, interval: Duration, metrics: Arc<Metrics>) {
    let lease = collector.lease(uuid::Uuid::new_v4().to_string());
    let collector = collector.gentle(Arc::new(|span| Box::pin(tokio::time::sleep(span))));
    let shards = shards_each(interval);
    tokio::time::sleep(interval.min(FIRST_RUN)).await;
    loop {
        match collector.run(&lease, shards).await {
            Ok(Some(report)) => {
                tell(&report);
                metrics.collected(Ok(&report));
            }
            Ok(None) => tracing::debug!("another replica collects garbage"),
            Err(error) => {
                tracing::warn!(%error, "garbage collection failed, and goes on in the next run");
                metrics.collected(Err(()));
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// Every replica's health says why storage only grows, whoever collects: soon after a backup's hold begins or ends, and
/// not only with the next run.
pub(crate) async fn watch_deletion(collector: Collector, notes: Notes) {
    loop {
        // unreachable at the moment is for the probes to say
        let withheld = collector.withheld().await.ok().flatten();
        notes.set("deletion", withheld.map(|why| format!("garbage collection deletes no bytes: {why}")));
        tokio::time::sleep(DELETION_PAUSE).await;
    }
}

/// Shards of the storage that each run sweeps.
fn shards_each(interval: Duration) -> u16 {
    let round = SWEEP_ROUND.as_millis().div_ceil(interval.as_millis().max(1)).max(1);
    u16::try_from(u128::from(SHARDS).div_ceil(round)).unwrap_or(SHARDS)
}

fn tell(report: &Report) {
    for candidate in &report.conflicts {
        tracing::warn!(?candidate, "a reference came while garbage collection removed what it is to; nothing was lost");
    }
    if !report.stuck.is_empty() {
        tracing::warn!(
            segments = report.stuck.len(),
            "the storage did not delete segments; they are tried again later"
        );
    }
    if let Some(why) = &report.withheld {
        tracing::warn!("garbage collection deleted no bytes: {why}");
    }
    tracing::info!(
        uploads = report.uploads,
        memberships = report.memberships,
        blobs = report.blobs,
        segments = report.segments,
        freed_bytes = report.freed_bytes,
        orphans = report.orphans,
        "garbage collection"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_once_around() {
        for (interval, shards) in [(1, 1), (60, 1), (3600, 11), (24 * 3600, 256), (7 * 24 * 3600, 256)] {
            assert_eq!(shards_each(Duration::from_secs(interval)), shards, "{interval}");
        }
    }
}
