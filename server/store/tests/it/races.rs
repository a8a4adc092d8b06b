//! The rules of `docs/STORE.md` under concurrency, on Postgres: SQLite has one writer and proves nothing here. Tests
//! are named after their rule.

#[path = "races/acts.rs"]
mod acts;
#[path = "races/artifacts.rs"]
mod artifacts;
#[path = "races/buckets.rs"]
mod buckets;
#[path = "races/collector.rs"]
mod collector;
#[path = "races/conditions.rs"]
mod conditions;
#[path = "races/digesting.rs"]
mod digesting;
#[path = "races/explore.rs"]
mod explore;
#[path = "races/gate.rs"]
mod gate;
#[path = "races/invariants.rs"]
mod invariants;
#[path = "races/lost.rs"]
mod lost;
#[path = "races/multipart.rs"]
mod multipart;
#[path = "races/proxy.rs"]
mod proxy;
#[path = "races/sessions.rs"]
mod sessions;
#[path = "races/usage.rs"]
mod usage;
#[path = "races/use_cases.rs"]
mod use_cases;
