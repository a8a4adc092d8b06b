//! The metadata store: adapters of the domain's database ports for Postgres and SQLite, with one SQL text for both.
//!
//! - [`sql`]: statements, and what differs between the two databases.
//! - [`tx`]: how a write runs: a repeatable transaction, grouped with others on SQLite.
//! - `row`: reading rows.
//! - [`migrate`]: the schema and which servers can serve it.
//! - the rest: one file for each group of statements, named like the part of the port that it implements.
//!
//! `docs/STORE.md` has the rules that the statements enforce, and why.

mod access;
mod audit;
mod blobs;
mod content;
mod error;
mod fsck;
mod gc;
mod identities;
mod lease;
mod manifests;
pub mod migrate;
mod objects;
mod own_repository;
mod pool;
mod port;
mod reads;
mod removal;
mod row;
pub mod sql;
mod store_info;
mod tx;
mod upkeep;
mod uploads;
mod usage;

pub use error::{FileFault, OpenError};
pub use pool::{Options, PoolStatus, Store};
pub use sql::Dialect;
pub use store_info::StoreInfo;
#[doc(hidden)]
pub use tx::{Step, Steps};

/// All statements of the store, for tests. A test fails if a file's statements are missing here.
#[doc(hidden)]
pub fn statements() -> impl Iterator<Item = &'static sql::Statement> {
    [
        access::ALL,
        access::bucket::ALL,
        identities::ALL,
        audit::ALL,
        blobs::ALL,
        content::ALL,
        fsck::ALL,
        lease::ALL,
        manifests::ALL,
        migrate::ALL,
        own_repository::ALL,
        reads::ALL,
        removal::ALL,
        store_info::ALL,
        tx::ALL,
        uploads::ALL,
        usage::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(objects::statements())
    .chain(gc::statements())
}
