//! Large objects in bounded memory, uploaded and downloaded by each API. 1 GiB in `make test`, 10 GiB in `make soak`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::{Body, Client, Method};
use zot_tests::backend::Backend;
use zot_tests::client::digest;
use zot_tests::server::{Server, Setup};

const MIB: u64 = 1024 * 1024;
/// Most resident memory of the server, whatever the size.
const MEMORY_MAX: u64 = 200 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gib_passes_through_each_api_on_disk() {
    through_each_api(Backend::SqliteDisk, 1024 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gib_passes_through_each_api_on_s3() {
    through_each_api(Backend::PostgresS3, 1024 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "10 GiB take minutes: make soak"]
async fn soak_ten_gib_pass_through_each_api() {
    through_each_api(Backend::SqliteDisk, 10 * 1024 * MIB).await;
}

async fn through_each_api(backend: Backend, size: u64) {
    let server = Setup::on(&backend.fresh().await).set("extensions.s3api.maxUploadSize", "20Gi").start().await;
    let url = |path: &str| format!("http://{}{path}", server.address());
    let client = Client::builder().timeout(Duration::from_mins(30)).build().expect("a client");
    let send = async |method: Method, path: String, body: Option<u64>| {
        let mut request = client.request(method, path);
        if let Some(seed) = body {
            request = request.header("content-length", size).body(content(seed, size));
        }
        let response = request.send().await.expect("a response");
        assert!(response.status().is_success(), "{}: {}", response.status(), server.output());
        response
    };

    send(Method::PUT, url("/s3/large"), None).await;
    send(Method::PUT, url("/s3/large/object"), Some(1)).await;
    read_back(send(Method::GET, url("/s3/large/object"), None).await, 1, size).await;

    let begun = send(Method::POST, url("/v2/large/repo/blobs/uploads/"), None).await;
    let session = url(begun.headers()["location"].to_str().expect("a location"));
    send(Method::PATCH, session.clone(), Some(2)).await;
    let digest = whole_digest(2, size);
    send(Method::PUT, format!("{session}?digest={digest}"), None).await;
    read_back(send(Method::GET, url(&format!("/v2/large/repo/blobs/{digest}")), None).await, 2, size).await;

    assert_memory(&server, size);
}

fn assert_memory(server: &Server, size: u64) {
    let peak = server.peak_memory();
    println!("{} MiB up and down through each API: {} MiB resident at most", size / MIB, peak / MIB);
    assert!(peak < MEMORY_MAX, "{} MiB resident\n{}", peak / MIB, server.output());
}

/// A chunk of 1 MiB that differs from all others.
fn chunk(seed: u64, index: u64) -> Bytes {
    let mut block = vec![u8::try_from(seed).expect("a small seed"); usize::try_from(MIB).expect("a small size")];
    block[..8].copy_from_slice(&index.to_be_bytes());
    Bytes::from(block)
}

fn content(seed: u64, size: u64) -> Body {
    Body::wrap_stream(stream::iter((0..size / MIB).map(move |index| Ok::<_, std::io::Error>(chunk(seed, index)))))
}

fn whole_digest(seed: u64, size: u64) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    (0..size / MIB).for_each(|index| hash.update(chunk(seed, index)));
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// Compares what comes back, chunk by chunk.
async fn read_back(response: reqwest::Response, seed: u64, size: u64) {
    let mut body = response.bytes_stream();
    let (mut held, mut index) = (Vec::new(), 0);
    while let Some(bytes) = body.next().await {
        held.extend_from_slice(&bytes.expect("all bytes"));
        while held.len() as u64 >= MIB {
            let rest = held.split_off(usize::try_from(MIB).expect("a small size"));
            assert_eq!(digest(&held), digest(&chunk(seed, index)), "MiB {index}");
            (held, index) = (rest, index + 1);
        }
    }
    assert_eq!((index, held.len()), (size / MIB, 0));
}
