//! Blobs: pushed whole, in chunks, or not at all; read only through a repository that has them.

use axum::http::{Method, StatusCode};
use serde_json::json;

use zot_testing::app::TestApp;
use zot_testing::client::Client;
use zot_testing::content::{bytes, image, sha256, sha512};
use zot_testing::reply::Reply;

/// The ways to push a blob under a digest. Large ones become segments.
#[derive(Clone, Copy, Debug)]
enum Way {
    Single,
    PostThenPut,
    Chunks,
    ChunksThenRest,
}

const WAYS: [Way; 4] = [Way::Single, Way::PostThenPut, Way::Chunks, Way::ChunksThenRest];
/// Inline, in the session's row, and in segments of its own.
const SIZES: [usize; 4] = [0, 1000, 100_000, 700_000];

async fn push(client: &Client, way: Way, content: &[u8], digest: &str) -> (Reply, Option<String>) {
    if matches!(way, Way::Single) {
        let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
        return (client.post(&path, content.to_vec()).await, None);
    }
    let session = client.begin("team/app").await;
    let chunks: Vec<&[u8]> = content.chunks(content.len().div_ceil(2).max(1)).collect();
    let (sent, rest): (&[&[u8]], &[u8]) = match way {
        Way::Chunks => (&chunks, &[]),
        Way::ChunksThenRest => chunks.split_last().map_or((&[], &[]), |(last, sent)| (sent, *last)),
        Way::Single | Way::PostThenPut => (&[], content),
    };
    for chunk in sent {
        client.patch(&session, chunk.to_vec()).await.assert_status(StatusCode::ACCEPTED);
    }
    (client.put(&format!("{session}?digest={digest}"), rest.to_vec()).await, Some(session))
}

#[tokio::test]
async fn every_way_and_algorithm_gives_the_same_blob() {
    for digest_of in [sha256, sha512] {
        let app = TestApp::new().await;
        for way in WAYS {
            for size in SIZES {
                let content = bytes(size);
                let digest = digest_of(&content);
                let (pushed, _) = push(&app.admin(), way, &content, &digest).await;
                pushed.assert_status(StatusCode::CREATED);
                assert_eq!(pushed.header("docker-content-digest"), digest, "{way:?} {size}");
                let got = app.reader().get(pushed.header("location")).await;
                assert_eq!(got.assert_status(StatusCode::OK).body, content, "{way:?} {size}");
                let known = app.reader().get(&format!("/v2/team/app/blobs/{}", sha256(&content))).await;
                assert_eq!(known.assert_status(StatusCode::OK).body, content, "{way:?} {size}");
            }
        }
        assert_eq!(app.count("SELECT COUNT(*) FROM upload").await, 0);
    }
}

#[tokio::test]
async fn a_wrong_digest_leaves_no_blob_and_the_session_as_it_was() {
    let app = TestApp::new().await;
    for way in WAYS {
        for size in SIZES.iter().copied().filter(|size| *size > 0) {
            for wrong in [sha256(b"other"), sha512(b"other")] {
                let content = bytes(size);
                let (pushed, session) = push(&app.admin(), way, &content, &wrong).await;
                pushed.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
                let Some(session) = session else { continue };
                let held = match way {
                    Way::Single | Way::PostThenPut => 0,
                    Way::Chunks => size,
                    Way::ChunksThenRest => size.div_ceil(2),
                };
                let state = app.admin().get(&session).await;
                state.assert_status(StatusCode::NO_CONTENT);
                assert_eq!(state.header("range"), format!("0-{}", held.saturating_sub(1)), "{way:?} {size}");
                let finish = format!("{session}?digest={}", sha256(&content));
                let done = app.admin().put(&finish, content[held..].to_vec()).await;
                done.assert_status(StatusCode::CREATED);
                app.admin().delete(&format!("/v2/team/app/blobs/{}", sha256(&content))).await;
            }
        }
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM repo_blob").await, 0);
}

#[tokio::test]
async fn a_wrong_digest_makes_no_repository() {
    let app = TestApp::new().await;
    push(&app.admin(), Way::Single, b"x", &sha256(b"y")).await.0.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    assert_eq!(app.count("SELECT COUNT(*) FROM repository").await, 0);
    assert_eq!(app.count("SELECT COUNT(*) FROM blob").await, 0);
}

#[tokio::test]
async fn encoded_bodies_are_refused() {
    let app = TestApp::new().await;
    let digest = sha256(b"x");
    for encoding in ["gzip", "deflate", "br", "GZIP", "identity, gzip"] {
        let session = app.admin().begin("team/app").await;
        for (method, path) in [
            (Method::POST, format!("/v2/team/app/blobs/uploads/?digest={digest}")),
            (Method::PATCH, session.clone()),
            (Method::PUT, format!("{session}?digest={digest}")),
        ] {
            let call = app.admin().call(method, &path).header("content-encoding", encoding).body("x");
            call.send().await.assert(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID");
        }
        assert_eq!(app.admin().get(&session).await.header("range"), "0-0", "{encoding}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_no_blob() {
    let app = TestApp::new().await;
    for size in [1000, 700_000] {
        let content = bytes(size);
        let path = format!("/v2/team/app/blobs/uploads/?digest={}", sha256(&content));
        let cut = app.admin().call(Method::POST, &path).broken(&content, size + 1).send().await;
        cut.assert(StatusCode::BAD_REQUEST, "SIZE_INVALID");
        let session = app.admin().begin("team/app").await;
        let path = format!("{session}?digest={}", sha256(&content));
        let cut = app.admin().call(Method::PUT, &path).broken(&content, size + 1).send().await;
        cut.assert(StatusCode::BAD_REQUEST, "SIZE_INVALID");
        assert_eq!(app.admin().get(&session).await.header("range"), "0-0");
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM blob").await, 0);
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_leaves_no_blob() {
    let app = TestApp::new().await;
    let digest = sha256(b"0123456789");
    for announced in ["5", "20"] {
        let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
        let call = app.admin().call(Method::POST, &path).header("content-length", announced);
        call.chunked(&[b"01234", b"56789"]).send().await.assert(StatusCode::BAD_REQUEST, "SIZE_INVALID");
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM blob").await, 0);
}

#[tokio::test]
async fn a_blob_unlinked_in_one_repository_stays_in_the_other() {
    let app = TestApp::new().await;
    for content in [bytes(1000), bytes(700_000)] {
        let digest = app.admin().push_blob("team/a", &content).await;
        app.admin().push_blob("team/b", &content).await;
        let (in_a, in_b) = (format!("/v2/team/a/blobs/{digest}"), format!("/v2/team/b/blobs/{digest}"));
        app.admin().delete(&in_a).await.assert_status(StatusCode::ACCEPTED);
        app.admin().get(&in_a).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        app.admin().head(&in_a).await.assert_status(StatusCode::NOT_FOUND);
        app.admin().delete(&in_a).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        assert_eq!(app.reader().get(&in_b).await.assert_status(StatusCode::OK).body, content);
    }
}

#[tokio::test]
async fn a_blob_is_not_seen_where_nobody_pushed_it() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"x").await;
    app.admin().push_blob("team/b", b"y").await;
    for repository in ["team/b", "team/none", "team/ab", "team"] {
        let path = format!("/v2/{repository}/blobs/{digest}");
        app.admin().head(&path).await.assert_status(StatusCode::NOT_FOUND);
        app.admin().get(&path).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        let range = app.admin().call(Method::GET, &path).header("range", "bytes=0-0").send().await;
        range.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        let known = app.admin().call(Method::GET, &path).header("if-none-match", "*").send().await;
        known.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
    }
}

#[tokio::test]
async fn a_blob_that_a_manifest_needs_cannot_be_deleted() {
    let app = TestApp::new().await;
    let manifest = app.admin().push_image("team/app", "v1").await;
    let layer = format!("/v2/team/app/blobs/{}", sha256(b"layer"));
    app.admin().delete(&layer).await.assert(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED");
    app.admin().delete(&format!("/v2/team/app/manifests/{manifest}")).await.assert_status(StatusCode::ACCEPTED);
    app.admin().delete(&layer).await.assert_status(StatusCode::ACCEPTED);
}

/// As a client that resolves a digest by `/blobs/` first, or mounts all that an index names.
#[tokio::test]
async fn a_manifest_is_no_blob_of_its_repository() {
    let app = TestApp::new().await;
    let digest = app.admin().push_image("team/app", "v1").await;
    let (blob, manifest) = (format!("/v2/team/app/blobs/{digest}"), format!("/v2/team/app/manifests/{digest}"));
    let absent = async |what: &str| {
        app.admin().head(&blob).await.assert_status(StatusCode::NOT_FOUND);
        app.admin().get(&blob).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        let range = app.admin().call(Method::GET, &blob).header("range", "bytes=0-0").send().await;
        range.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        app.admin().delete(&blob).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
        for source in ["&from=team/app", ""] {
            let path = format!("/v2/team/other/blobs/uploads/?mount={digest}{source}");
            app.admin().post(&path, "").await.assert_status(StatusCode::ACCEPTED);
        }
        let mut layered = image(b"config", b"layer");
        layered["layers"][0]["digest"] = json!(digest);
        layered["layers"][0]["size"] = json!(image(b"config", b"layer").to_string().len());
        let put = app.admin().put_manifest("team/app", "layered", layered.to_string()).await;
        put.assert(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
        println!("{what}");
    };
    absent("while it is there").await;
    app.admin().head(&manifest).await.assert_status(StatusCode::OK);
    app.admin().delete(&manifest).await.assert_status(StatusCode::ACCEPTED);
    app.admin().head(&manifest).await.assert_status(StatusCode::NOT_FOUND);
    absent("after its deletion").await;
}

#[tokio::test]
async fn bytes_pushed_as_a_blob_and_as_a_manifest_are_both() {
    let app = TestApp::new().await;
    let document = image(b"config", b"layer").to_string();
    let digest = sha256(document.as_bytes());
    for (repository, blob_first) in [("team/a", true), ("team/b", false)] {
        let blob = format!("/v2/{repository}/blobs/{digest}");
        if blob_first {
            app.admin().push_blob(repository, document.as_bytes()).await;
        }
        app.admin().push_image(repository, "v1").await;
        if !blob_first {
            app.admin().head(&blob).await.assert_status(StatusCode::NOT_FOUND);
            app.admin().push_blob(repository, document.as_bytes()).await;
        }
        app.admin().head(&blob).await.assert_status(StatusCode::OK);
        app.admin().delete(&blob).await.assert(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED");
        let manifest = format!("/v2/{repository}/manifests/{digest}");
        app.admin().delete(&manifest).await.assert_status(StatusCode::ACCEPTED);
        app.admin().head(&blob).await.assert_status(StatusCode::OK);
        app.admin().delete(&blob).await.assert_status(StatusCode::ACCEPTED);
    }
}
