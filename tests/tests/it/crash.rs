//! A killed server: a new one on the same store has everything that was acknowledged, and nothing incomplete.

mod model;
pub(crate) mod rounds;
mod writer;

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use reqwest::{Body, Method};
use tokio::sync::mpsc;
use tokio::time::sleep;
use zot_tests::backend::Backend;
use zot_tests::client::{Reply, digest as sha256};
use zot_tests::server::Setup;

crate::on_both_backends!(what_was_acknowledged_is_there_and_an_upload_goes_on, a_stop_lets_requests_end);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_crashes_of_three_replicas_lose_nothing() {
    rounds::rounds(Backend::PostgresS3.fresh().await, 3, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_crashes_of_an_embedded_store_lose_nothing() {
    rounds::rounds(Backend::SqliteDisk.fresh().await, 1, 5).await;
}

/// More than the server asks a chunk to have.
const CHUNK: usize = 6 * 1024 * 1024;
/// What a body is written by.
const PIECE: usize = 64 * 1024;

/// Kills a server right after its answers, and in the middle of an upload; a new one has what was acknowledged.
async fn what_was_acknowledged_is_there_and_an_upload_goes_on(backend: Backend) {
    let setup = Setup::on(&backend.fresh().await).with_access_control();
    let mut server = setup.start().await;
    let client = server.client();
    let mut pushed = Vec::new();
    for index in 0..10 {
        let tag = format!("v{index}");
        pushed.push((client.push_image("team/app", &tag, vec![index; 100_000]).await, tag));
    }
    let location = client.begin_upload("team/app").await;
    client.append_upload(&location, 0, vec![7; CHUNK]).await.expect_status(202);
    server.kill();

    let server = setup.start().await;
    let client = server.client();
    for (digest, tag) in pushed {
        let manifest = client.get_manifest("team/app", &tag).await.expect_status(200);
        assert_eq!(manifest.header("docker-content-digest"), digest);
        let layer = manifest.json()["layers"][0]["digest"].as_str().expect("a layer").to_owned();
        assert_eq!(sha256(&client.get_blob("team/app", &layer).await.expect_status(200).body), layer);
    }
    let whole = [vec![7; CHUNK], vec![8; 1000]].concat();
    client.append_upload(&location, CHUNK, vec![8; 1000]).await.expect_status(202);
    client.finish_upload(&location, &sha256(&whole), Vec::new()).await.expect_status(201);
    assert_eq!(client.get_blob("team/app", &sha256(&whole)).await.expect_status(200).body, whole);
}

/// Asks a server to stop in the middle of a request: that one ends well, and then the server ends by itself.
async fn a_stop_lets_requests_end(backend: Backend) {
    let mut server = Setup::on(&backend.fresh().await).start().await;
    let client = server.client();
    let location = client.begin_upload("team/app").await;
    let (sender, receiver) = mpsc::channel(1);
    let request = client.request(Method::PATCH, &location).body(Body::wrap_stream(stream(receiver)));
    let answer = tokio::spawn(Reply::to(request));
    for _ in 0..CHUNK / PIECE {
        sender.send(vec![7; PIECE]).await.expect("the server reads"); // far more than what buffers hold
    }
    server.terminate();
    while client.try_get("/health/ready").await.is_ok_and(|ready| ready.status == 200) {
        sleep(Duration::from_millis(10)).await;
    }
    sender.send(vec![8; PIECE]).await.expect("the server still reads");
    drop(sender);
    let answer = answer.await.expect("an answer").expect_status(202);
    assert_eq!(answer.header("range"), format!("0-{}", CHUNK + PIECE - 1));
    let status = server.ended().await;
    assert!(status.success(), "{status}\n{}", server.output());
}

fn stream(receiver: mpsc::Receiver<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Infallible>> {
    unfold(receiver, async |mut receiver| receiver.recv().await.map(|piece| (Ok(piece), receiver)))
}
