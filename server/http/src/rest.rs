//! The REST door under `/api/v1`: what neither OCI nor S3 has a word for.

pub(crate) mod artifacts;
pub(crate) mod error;
pub(crate) mod rbac;
