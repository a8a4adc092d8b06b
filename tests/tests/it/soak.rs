//! Long tests: `make soak`. `ZOT_SOAK_ROUNDS` sets the number of rounds.

use zot_tests::backend::Backend;

use crate::crash::rounds::rounds;

fn count() -> usize {
    std::env::var("ZOT_SOAK_ROUNDS").map_or(100, |text| text.parse().expect("a number of rounds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds: make soak"]
async fn soak_a_hundred_crashes_of_three_replicas_lose_nothing() {
    rounds(Backend::PostgresS3.fresh().await, 3, count()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds: make soak"]
async fn soak_a_hundred_crashes_of_an_embedded_store_lose_nothing() {
    rounds(Backend::SqliteDisk.fresh().await, 1, count()).await;
}
