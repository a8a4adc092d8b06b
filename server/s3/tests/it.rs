//! The S3 API in its own process: operations, access, errors of both dialects, STS and limits.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

#[path = "it/access.rs"]
mod access;
#[path = "it/buckets.rs"]
mod buckets;
#[path = "it/decided.rs"]
mod decided;
#[path = "it/documents.rs"]
mod documents;
#[path = "it/json.rs"]
mod json;
#[path = "it/lists.rs"]
mod lists;
#[path = "it/multipart.rs"]
mod multipart;
#[path = "it/objects.rs"]
mod objects;
#[path = "it/observed.rs"]
mod observed;
#[path = "it/policy.rs"]
mod policy;
#[path = "../src/sigv4/tests/signer.rs"]
#[expect(dead_code, reason = "the tests of the verifier use the rest")]
mod signer;
#[path = "it/support.rs"]
mod support;

/// The key that the signer uses.
const ACCESS_KEY: &str = zot_testing::app::ADMIN.0;
const SECRET: &str = zot_testing::app::ADMIN.1;
