//! Mounting: no upload where the caller can read the blob, and no way to find out where not.

use axum::http::StatusCode;
use zot_core::policy::Settings;

use zot_testing::app::{STRICT, TestApp, options};
use zot_testing::client::Client;
use zot_testing::content::{bytes, sha256};
use zot_testing::reply::Reply;

fn mount(digest: &str, from: &str) -> String {
    format!("/v2/team/b/blobs/uploads/?mount={digest}&from={from}")
}

/// Everything that a client can tell one answer from another by, but the session's id.
fn seen(reply: &Reply) -> (StatusCode, Vec<(String, String)>, String) {
    let mut headers = reply.stable_headers(&["docker-upload-uuid"]);
    let id = reply.optional("docker-upload-uuid").unwrap_or("-");
    headers.iter_mut().for_each(|(_, value)| *value = value.replace(&format!("/{id}"), "/<session>"));
    (reply.status, headers, reply.stable_body())
}

#[tokio::test]
async fn a_readable_blob_is_mounted_without_an_upload() {
    let app = TestApp::new().await;
    for content in [bytes(1000), bytes(700_000)] {
        let digest = app.admin().push_blob("team/a", &content).await;
        let mounted = app.admin().post(&mount(&digest, "team/a"), "").await;
        mounted.assert_status(StatusCode::CREATED);
        assert_eq!(mounted.header("docker-content-digest"), digest);
        app.admin().delete(&format!("/v2/team/a/blobs/{digest}")).await.assert_status(StatusCode::ACCEPTED);
        let got = app.reader().get(&format!("/v2/team/b/blobs/{digest}")).await;
        assert_eq!(got.assert_status(StatusCode::OK).body, content);
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM upload").await, 0);
}

/// With a token for the target alone.
async fn limited(app: &TestApp) -> Client {
    let token = app.admin().token("repository:team/b:pull,push").await;
    app.anonymous().with_token(&token)
}

#[tokio::test]
async fn a_mount_from_outside_the_tokens_scope_looks_the_same_whatever_is_there() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"secret").await;
    let client = limited(&app).await;
    let there = client.post(&mount(&digest, "team/a"), "").await;
    there.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let challenge = there.header("www-authenticate");
    assert!(challenge.contains("scope=\"repository:team/b:pull,push repository:team/a:pull\""), "{challenge}");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    let absent = client.post(&mount(&sha256(b"absent"), "team/a"), "").await;
    assert_eq!(seen(&there), seen(&absent));
    let (status, headers, body) = seen(&client.post(&mount(&digest, "team/x"), "").await);
    let headers = headers.into_iter().map(|(name, value)| (name, value.replace("team/x", "team/a"))).collect();
    assert_eq!(seen(&there), (status, headers, body.replace("team/x", "team/a")), "absent repository");
    assert_eq!(app.count("SELECT COUNT(*) FROM repo_blob").await, 1);
}

#[tokio::test]
async fn a_mount_that_finds_nothing_readable_becomes_an_upload_that_looks_the_same() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"secret").await;
    let absent = app.admin().post(&mount(&sha256(b"absent"), "team/a"), "").await;
    absent.assert_status(StatusCode::ACCEPTED);
    let client = limited(&app).await;
    for (what, client, path) in [
        ("absent repository", &app.admin(), mount(&digest, "team/none")),
        ("no source", &client, format!("/v2/team/b/blobs/uploads/?mount={digest}")),
        ("no source, absent blob", &client, format!("/v2/team/b/blobs/uploads/?mount={}", sha256(b"absent"))),
        ("empty source", &client, mount(&digest, "")),
        ("invalid source", &app.admin(), mount(&digest, "Team/A")),
        ("a path as source", &app.admin(), mount(&digest, "../a")),
        ("a host and a repository", &app.admin(), mount(&digest, "registry.example.com:5000/team/a")),
    ] {
        assert_eq!(seen(&absent), seen(&client.post(&path, "").await), "{what}");
    }
    client.get(&format!("/v2/team/b/blobs/{digest}")).await.assert(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
    assert_eq!(app.count("SELECT COUNT(*) FROM repo_blob").await, 1);
}

#[tokio::test]
async fn who_may_read_the_source_by_the_same_token_mounts() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"x").await;
    let token = app.admin().token("repository:team/b:pull,push&scope=repository:team/a:pull").await;
    let mounted = app.admin().with_token(&token).post(&mount(&digest, "team/a"), "").await;
    mounted.assert_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_blob_is_mounted_from_anywhere_by_who_may_read_everything() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"x").await;
    let anywhere = format!("/v2/team/b/blobs/uploads/?mount={digest}");
    app.admin().post(&anywhere, "").await.assert_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_blob_that_no_repository_has_any_more_is_not_mounted() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"x").await;
    app.admin().delete(&format!("/v2/team/a/blobs/{digest}")).await.assert_status(StatusCode::ACCEPTED);
    for path in [mount(&digest, "team/a"), format!("/v2/team/b/blobs/uploads/?mount={digest}")] {
        app.admin().post(&path, "").await.assert_status(StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn the_anonymous_and_readers_mount_nothing() {
    let app = TestApp::new().await;
    let digest = app.admin().push_blob("team/a", b"x").await;
    let public = app.client(Settings { anonymous_read: true, ..STRICT }, options());
    for digest in [digest.clone(), sha256(b"absent")] {
        for anonymous in [&app.anonymous(), &public] {
            anonymous.post(&mount(&digest, "team/a"), "").await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
        app.reader().post(&mount(&digest, "team/a"), "").await.assert(StatusCode::FORBIDDEN, "DENIED");
    }
    app.admin().head(&format!("/v2/team/b/blobs/{digest}")).await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_mount_of_nonsense_is_refused() {
    let app = TestApp::new().await;
    let digest = sha256(b"x");
    app.admin().post(&mount("sha256:x", "team/a"), "").await.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    let twice = format!("{}&from=team/c", mount(&digest, "team/a"));
    app.admin().post(&twice, "").await.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
}
