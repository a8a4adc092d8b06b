//! Several replicas on one store: each of them serves every request, and the loss of one is not noticed.

use reqwest::Method;
use zot_tests::client::{Reply, digest};
use zot_tests::cluster::{Cluster, REPLICAS};

/// More than the server asks a chunk to have.
const CHUNK: usize = 6 * 1024 * 1024;

#[tokio::test]
async fn every_replica_reads_at_once_what_another_wrote() {
    let cluster = Cluster::open().await;
    for writer in 0..REPLICAS {
        let tag = format!("by-{writer}");
        let pushed = cluster.replica(writer).client().push_image("team/app", &tag, format!("layer of {writer}")).await;
        for reader in 0..REPLICAS {
            let read = cluster.replica(reader).client().get_manifest("team/app", &tag).await.expect_status(200);
            assert_eq!(read.header("docker-content-digest"), pushed);
        }
    }
}

#[tokio::test]
async fn every_replica_accepts_the_tokens_of_another() {
    let cluster = Cluster::guarded().await;
    cluster.client().push_image("team/app", "v1", "layer").await;
    let path = "/auth/token?service=zot-artifact-store&scope=repository:team/app:pull";
    let token = cluster.replica(0).client().get(path).await.expect_status(200).json();
    let token = token["token"].as_str().expect("a token").to_owned();
    for index in 0..REPLICAS {
        let client = cluster.replica(index).client().with(None);
        let request = client.request(Method::GET, "/v2/team/app/manifests/v1").bearer_auth(&token);
        Reply::to(request).await.expect_status(200);
    }
}

#[tokio::test]
async fn a_chunked_upload_goes_on_at_other_replicas_when_its_own_is_killed() {
    let mut cluster = Cluster::open().await;
    let content: Vec<u8> = (0..3 * CHUNK + 12_345).map(|i| u8::try_from(i * 31 % 251).expect("below 251")).collect();
    let chunks: Vec<&[u8]> = content.chunks(CHUNK).collect();
    let mut location = cluster.replica(0).client().begin_upload("team/app").await;
    for (index, chunk) in chunks[..3].iter().enumerate() {
        let client = cluster.replica(index).client();
        let reply = client.append_upload(&location, index * CHUNK, chunk.to_vec()).await.expect_status(202);
        location = reply.header("location").to_owned();
        if index < 2 {
            cluster.kill(index);
        }
    }
    let last = cluster.replica(2).client();
    let digest = digest(&content);
    last.finish_upload(&location, &digest, chunks[3].to_vec()).await.expect_status(201);
    assert_eq!(last.get_blob("team/app", &digest).await.expect_status(200).body, content);
    cluster.restart(0).await;
    assert_eq!(cluster.replica(0).client().get_blob("team/app", &digest).await.expect_status(200).body, content);
}

#[tokio::test]
async fn clients_of_the_proxy_do_not_notice_that_a_replica_is_taken_out() {
    let mut cluster = Cluster::guarded().await;
    let client = cluster.client();
    let pushed = client.push_image("team/app", "v1", "layer").await;
    cluster.kill(1);
    for _ in 0..2 * REPLICAS {
        let read = client.get_manifest("team/app", "v1").await.expect_status(200);
        assert_eq!(read.header("docker-content-digest"), pushed);
    }
}
