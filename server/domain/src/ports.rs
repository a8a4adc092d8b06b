//! What the use cases need from outside: a transactional database and a place for bytes.

pub mod access;
pub mod audit;
pub mod blobs;
pub mod content;
pub mod identities;
pub mod inventory;
pub mod metadata;
pub mod objects;
pub mod upkeep;
