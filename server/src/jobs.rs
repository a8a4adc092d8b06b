//! Background jobs of a server. `job.rs` says what a job is, `runner.rs` runs jobs, and each other file is one job.

mod audit_batches;
mod audit_file;
mod decision_log;
mod deletion_watch;
mod digests;
mod garbage_collection;
mod job;
mod master_keys;
mod policies;
mod runner;
mod usage;

use std::sync::Arc;

use zot_domain::Buckets;
use zot_settings::Settings;

use crate::storage::Opened;
use crate::wire::{self, Wired};

use audit_batches::AuditBatches;
use audit_file::AuditFile;
use decision_log::DecisionLog;
use deletion_watch::DeletionWatch;
use digests::Digests;
use garbage_collection::GarbageCollection;
use master_keys::MasterKeys;
use policies::Policies;
use runner::Runner;
use usage::Usage;

/// Starts all configured jobs.
pub(crate) fn start(settings: &Settings, opened: &Opened, wired: &Wired) -> Runner {
    let mut runner = Runner::new(wired.gateway.clone());
    let store = Arc::new(opened.store.clone());
    let (identity, notes) = (&wired.identity, &wired.notes);
    let holder = zot_core::ambient::random_id().to_string();
    runner.start(Policies { identity: Arc::clone(identity) });
    // a read-only server records reads and denials too
    runner.start(DecisionLog::new(wired.decision_queue.clone(), store.clone(), notes.clone()));
    runner.start(AuditBatches { lease: wired.closer.lease(&holder), closer: wired.closer.clone() });
    if let Some(path) = &settings.log.audit {
        runner.start(AuditFile { path: path.clone(), changes: store.clone(), notes: notes.clone(), open: None });
    }
    if settings.http.read_only {
        return runner;
    }
    let (accounts, origin) = (wired.accounts.clone(), wired.masters.clone());
    runner.start(MasterKeys::new(Arc::clone(identity), accounts, origin, notes.clone()));
    let lease = Buckets::digest_lease(store.clone(), &holder);
    runner.start(Digests { buckets: wired.buckets.clone(), lease });
    runner.start(Usage::new(store, &holder));
    if settings.storage.gc {
        let collector = wire::collector(settings, opened, wire::ORPHAN_AGE);
        runner.start(DeletionWatch { collector: collector.clone(), notes: notes.clone() });
        let (interval, metrics) = (settings.storage.gc_interval.0, Arc::clone(&wired.metrics));
        runner.start(GarbageCollection::new(collector, &holder, interval, metrics));
    }
    runner
}
