//! A dead database or storage: 503 and when to come again, nothing of our insides, and health that shows it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;
use zot_core::hash::Hasher;
use zot_domain::ports::blobs::{BlobReads, BlobWrites, Blobs, ByteStream, Piece, SegmentKey, Written};
use zot_domain::{Error, Result};

use zot_testing::app::{ADMIN, TestApp};
use zot_testing::client::Client;
use zot_testing::content::{bytes, image, sha256};
use zot_testing::reply::Reply;

#[track_caller]
fn comes_again(reply: &Reply) {
    reply.assert(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE");
    assert_eq!(reply.header("retry-after"), "5");
    let text = reply.text().to_ascii_lowercase();
    for internal in ["sqlx", "sqlite", "pool", "select", "insert", "metadata.db", "blobs/", "os error", "panicked"] {
        assert!(!text.contains(internal), "{internal:?} in {text}");
    }
}

async fn not_ready(client: &Client, component: &str) {
    let ready = client.get("/health/ready").await;
    assert_eq!(ready.assert_status(StatusCode::SERVICE_UNAVAILABLE).json(), json!({"status": "not_ready"}));
    let report = client.get("/health").await.assert_status(StatusCode::SERVICE_UNAVAILABLE).json();
    assert_eq!(
        (&report["status"], &report["components"][component]["status"]),
        (&json!("unhealthy"), &json!("unhealthy"))
    );
    client.get("/health/live").await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn without_the_database_everything_is_unavailable() {
    let app = TestApp::new().await;
    let digest = app.admin().push_image("team/app", "v1").await;
    let session = app.admin().begin("team/app").await;
    app.store.close().await;
    for (method, path) in [
        (Method::GET, "/v2/_catalog".to_owned()),
        (Method::GET, "/v2/team/app/tags/list".to_owned()),
        (Method::GET, "/v2/team/app/manifests/v1".to_owned()),
        (Method::GET, format!("/v2/team/app/blobs/{}", sha256(b"layer"))),
        (Method::GET, format!("/v2/team/app/referrers/{digest}")),
        (Method::POST, "/v2/team/app/blobs/uploads/".to_owned()),
        (Method::POST, format!("/v2/team/app/blobs/uploads/?digest={}", sha256(b""))),
        (Method::POST, format!("/v2/team/b/blobs/uploads/?mount={}&from=team/app", sha256(b"layer"))),
        (Method::PATCH, session.clone()),
        (Method::DELETE, session.clone()),
        (Method::DELETE, "/v2/team/app/manifests/v1".to_owned()),
        (Method::DELETE, format!("/v2/team/app/blobs/{}", sha256(b"layer"))),
    ] {
        comes_again(&app.admin().call(method, &path).send().await);
    }
    comes_again(&app.admin().put_manifest("team/app", "v2", image(b"config", b"layer").to_string()).await);
    not_ready(&app.anonymous(), "metadata_store").await;
    app.anonymous().get("/v2/team/app/tags/list").await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

/// A database that does not answer: each request that waits for it is refused in time, all of them at once.
/// Requests that need no credentials do not wait.
#[tokio::test]
async fn a_database_that_is_stalled_keeps_nobody_waiting() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(app.store.raw_pool().acquire().await.unwrap());
    }
    // until what was seen is too old
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = app.admin();
        asking.spawn(async move { client.get("/v2/team/app/tags/list").await });
    }
    let within = |seconds| std::time::Duration::from_secs(seconds);
    let open = async {
        for path in ["/health/live", "/metrics", "/api/v1/openapi.json", "/api/v1/auth"] {
            app.admin().get(path).await.assert_status(StatusCode::OK);
        }
    };
    tokio::time::timeout(within(4), open).await.expect("an answer at once");
    let all = tokio::time::timeout(within(30), asking.join_all()).await.expect("answers in time");
    all.iter().for_each(comes_again);
    drop(held);
}

#[tokio::test]
async fn without_the_storage_large_content_is_unavailable_and_small_is_not() {
    let app = TestApp::new().await;
    let large = app.admin().push_blob("team/app", &bytes(700_000)).await;
    app.admin().push_image("team/app", "v1").await;
    let session = app.admin().begin("team/app").await;
    // a file in place of the directory, as where a volume is not mounted as it should be
    let (directory, aside) = (app.blobs_directory(), app.blobs_directory().with_extension("aside"));
    std::fs::rename(&directory, &aside).unwrap();
    std::fs::write(&directory, "").unwrap();
    comes_again(&app.admin().get(&format!("/v2/team/app/blobs/{large}")).await);
    let part = app.admin().call(Method::GET, &format!("/v2/team/app/blobs/{large}")).header("range", "bytes=5-9");
    comes_again(&part.send().await);
    let content = bytes(800_000);
    comes_again(
        &app.admin().post(&format!("/v2/team/app/blobs/uploads/?digest={}", sha256(&content)), content.clone()).await,
    );
    comes_again(&app.admin().patch(&session, content.clone()).await);
    comes_again(&app.admin().put(&format!("{session}?digest={}", sha256(&content)), content.clone()).await);
    app.admin().get("/v2/team/app/manifests/v1").await.assert_status(StatusCode::OK);
    not_ready(&app.anonymous(), "storage").await;
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    assert_eq!(app.admin().get(&session).await.header("range"), "0-0");
    let done = app.admin().put(&format!("{session}?digest={}", sha256(&content)), content).await;
    done.assert_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_segment_that_is_gone_is_a_fault_of_ours_without_details() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/app", &bytes(700_000)).await;
    let aside = app.blobs_directory().with_extension("aside");
    std::fs::rename(app.blobs_directory(), &aside).unwrap();
    let reply = app.admin().get(&format!("/v2/team/app/blobs/{digest}")).await;
    reply.assert(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN");
    assert_eq!(reply.json()["errors"][0]["message"], "internal server error");
    std::fs::rename(&aside, app.blobs_directory()).unwrap();
}

/// The real storage, which breaks off each read after some bytes: a disk cannot be made to fail in the middle of a
/// file, and a cloud's connection can.
struct BreaksOff {
    real: Arc<dyn Blobs>,
    after: u64,
}

#[async_trait]
impl BlobWrites for BreaksOff {
    fn admit(&self) -> Result<()> {
        self.real.admit()
    }

    fn is_short(&self) -> bool {
        self.real.is_short()
    }

    async fn write(&self, head: Bytes, body: ByteStream, hasher: Hasher) -> Result<Written> {
        self.real.write(head, body, hasher).await
    }

    async fn discard(&self, key: &SegmentKey) {
        self.real.discard(key).await;
    }

    async fn probe(&self) -> Result<()> {
        self.real.probe().await
    }
}

impl BlobReads for BreaksOff {
    fn read(&self, pieces: Vec<Piece>) -> ByteStream {
        let mut left = self.after;
        let broken = || Error::storage(std::io::Error::other("the connection broke"));
        let bytes = self.real.read(pieces).map(move |chunk| {
            let chunk = chunk?;
            left = left.checked_sub(chunk.len() as u64).ok_or_else(broken)?;
            Ok(chunk)
        });
        Box::pin(bytes)
    }
}

#[tokio::test]
async fn a_read_that_breaks_is_503_before_the_first_byte_and_broken_after_it() {
    let app = TestApp::new().await;
    let content = bytes(3_000_000);
    let digest = app.admin().push_blob("team/app", &content).await;
    let client = |after| {
        let blobs: Arc<dyn Blobs> = Arc::new(BreaksOff { real: Arc::clone(&app.blobs), after });
        app.over(&blobs).with_key(ADMIN)
    };
    let path = format!("/v2/team/app/blobs/{digest}");
    comes_again(&client(0).get(&path).await);
    let broken = client(2_000_000).get(&path).await;
    assert_eq!(broken.status, StatusCode::OK);
    assert!(!broken.complete && broken.body.len() < content.len(), "a cut body must not look whole");
    let parts = client(0).call(Method::GET, &path).header("range", "bytes=0-9,20-29").send().await;
    assert!(parts.status == StatusCode::SERVICE_UNAVAILABLE || !parts.complete, "a cut part must not look whole");
}
