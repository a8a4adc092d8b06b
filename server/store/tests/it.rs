//! The metadata store against both databases: the same behaviours, statement by statement and plan by plan.
//!
//! Postgres comes from `ZOT_TEST_POSTGRES_URL`, which `hack/with-services` sets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it should be")]

#[path = "it/access.rs"]
mod access;
#[path = "it/audit.rs"]
mod audit;
#[path = "it/database.rs"]
mod database;
#[path = "it/gc.rs"]
mod gc;
#[path = "it/listing.rs"]
mod listing;
#[path = "it/make.rs"]
mod make;
#[path = "it/manifests.rs"]
mod manifests;
#[path = "it/membership.rs"]
mod membership;
#[path = "it/object_listing.rs"]
mod object_listing;
#[path = "it/objects.rs"]
mod objects;
#[path = "it/plans.rs"]
mod plans;
#[path = "it/races.rs"]
mod races;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/uploads.rs"]
mod uploads;

/// Runs each named behaviour on SQLite and on Postgres.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&crate::database::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&crate::database::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;
