//! The ports of the use cases: a transactional database and blob storage.

pub mod access;
pub mod audit;
pub mod blobs;
pub mod content;
pub mod identities;
pub mod inventory;
pub mod metadata;
pub mod objects;
pub mod upkeep;
