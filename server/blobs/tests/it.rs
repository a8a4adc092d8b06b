//! Blob storage on every backend: the same behaviours on a disk, on S3 (MinIO), on GCS and on Azure Blob (emulators).
//!
//! The servers come from `ZOT_TEST_…`, which `hack/with-services` sets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it should be")]

#[path = "it/inventory.rs"]
mod inventory;
#[path = "it/marker.rs"]
mod marker;
#[path = "it/place.rs"]
mod place;
#[path = "it/preflight.rs"]
mod preflight;
#[path = "it/segments.rs"]
mod segments;
#[path = "it/unfinished.rs"]
mod unfinished;

/// Runs each named behaviour on all backends.
macro_rules! on_all {
    ($($name:ident),* $(,)?) => {
        crate::on_all!(@ disk: $($name),*);
        crate::on_all!(@ s3: $($name),*);
        crate::on_all!(@ gcs: $($name),*);
        crate::on_all!(@ azure: $($name),*);
    };
    (@ $place:ident: $($name:ident),*) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&crate::place::$place().await).await;
            })*
        }
    };
}
pub(crate) use on_all;
