//! The black-box tests: the real binary on real databases and storages, with real clients. `docs/TESTING.md` says how to run
//! one.

#![expect(clippy::disallowed_methods, reason = "black-box tests use no code of the server, and real time")]

mod access_keys;
mod audit;
mod clients;
mod commands;
mod conformance;
mod crash;
mod definition;
mod fsck;
mod full_disk;
mod gc;
mod held;
mod identity;
mod matrix;
mod migrate_config;
mod next_steps;
mod oidc;
mod openapi;
mod preflight;
mod providers;
mod rbac;
mod readme;
mod refusals;
mod replicas;
mod s3;
mod settings;
mod soak;
mod tls;
mod tokens;
mod workload;

/// Runs each test on both backends, under names that say so.
macro_rules! on_both_backends {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite_and_disk {
            $(#[tokio::test] async fn $test() { super::$test(zot_tests::backend::Backend::SqliteDisk).await })+
        }
        mod on_postgres_and_s3 {
            $(#[tokio::test] async fn $test() { super::$test(zot_tests::backend::Backend::PostgresS3).await })+
        }
    };
}
use on_both_backends;
