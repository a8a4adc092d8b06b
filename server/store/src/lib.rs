//! The metadata store: the port `Metadata` over Postgres and SQLite, with one SQL text for both.
//!
//! - [`sql`]: statements, and what differs between the two databases.
//! - [`tx`]: how a write runs: a transaction that may be run again, grouped with others on SQLite.
//! - [`migrate`]: the schema and who may serve it.
//! - the rest: one file for each group of statements, named like the part of the port that it implements.
//!
//! The rules that the statements keep, and why, are in `docs/STORE.md`.

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
pub mod sql;
mod store_info;
mod tx;
mod upkeep;
mod uploads;

pub use error::OpenError;
pub use pool::{Options, PoolStatus, Store};
pub use sql::Dialect;
pub use store_info::StoreInfo;
#[doc(hidden)]
pub use tx::{Step, Steps};
