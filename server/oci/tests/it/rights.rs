//! Who may do what: roles, the settings that everybody may read or nobody may write, and tokens as upper bounds.

use axum::http::{Method, StatusCode};
use zot_core::policy::Settings;

use zot_testing::app::{STRICT, TestApp, options};
use zot_testing::client::Client;
use zot_testing::content::{image, sha256};
use zot_testing::reply::Reply;

/// Every way to read `team/app`, which holds an image.
async fn reads(client: &Client) -> Vec<Reply> {
    let mut replies = Vec::new();
    for path in
        ["manifests/v1", &format!("blobs/{}", sha256(b"layer")), "tags/list", &format!("referrers/{}", sha256(b"x"))]
    {
        for method in [Method::GET, Method::HEAD] {
            replies.push(client.call(method, &format!("/v2/team/app/{path}")).send().await);
        }
    }
    replies
}

/// Every way to change `team/app`.
async fn writes(client: &Client) -> Vec<Reply> {
    let digest = sha256(b"layer");
    let session = format!("/v2/team/app/blobs/uploads/{}", uuid::Uuid::nil());
    let document = image(b"config", b"layer").to_string();
    vec![
        client.post("/v2/team/app/blobs/uploads/", "").await,
        client.post(&format!("/v2/team/app/blobs/uploads/?digest={digest}"), "layer").await,
        client.post(&format!("/v2/team/app/blobs/uploads/?mount={digest}&from=team/app"), "").await,
        client.get(&session).await,
        client.patch(&session, "x").await,
        client.put(&format!("{session}?digest={digest}"), "layer").await,
        client.delete(&session).await,
        client.put_manifest("team/app", "v1", &document).await,
        client.put_manifest("team/app", "latest", &document).await,
        client.put_manifest("team/new", "latest", &document).await,
        client.put_manifest("team/app", &format!("{}?tag=latest", sha256(document.as_bytes())), &document).await,
        client.delete("/v2/team/app/manifests/v1").await,
        client.delete(&format!("/v2/team/app/manifests/{}", sha256(document.as_bytes()))).await,
        client.delete(&format!("/v2/team/app/blobs/{digest}")).await,
    ]
}

#[tokio::test]
async fn a_reader_reads_and_changes_nothing() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    for reply in reads(&app.reader()).await {
        reply.assert_status(StatusCode::OK);
    }
    app.reader().get("/v2/_catalog").await.assert_status(StatusCode::OK);
    for reply in writes(&app.reader()).await {
        reply.assert(StatusCode::FORBIDDEN, "DENIED");
    }
    let token = app.reader().token("repository:team/app:pull,push,delete").await;
    for reply in writes(&app.anonymous().with_token(&token)).await {
        reply.assert(StatusCode::FORBIDDEN, "DENIED");
    }
    for reply in reads(&app.anonymous().with_token(&token)).await {
        reply.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn the_anonymous_read_where_the_setting_says_so_and_never_write() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let public = app.client(Settings { anonymous_read: true, ..STRICT }, options());
    for reply in reads(&app.anonymous()).await {
        reply.assert_status(StatusCode::UNAUTHORIZED);
    }
    let token = public.token("repository:team/app:pull,push,delete").await;
    for client in [public.clone(), public.with_token(&token)] {
        for reply in reads(&client).await {
            reply.assert_status(StatusCode::OK);
        }
        for reply in writes(&client).await {
            reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        }
    }
    for reply in reads(&app.anonymous().with_token(&token)).await {
        reply.assert_status(StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_read_only_store_takes_no_change_from_anybody() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let read_only = app.client(Settings { read_only: true, ..STRICT }, options()).with_key(zot_testing::app::ADMIN);
    let open = app.client(Settings { read_only: true, access_control: false, ..STRICT }, options());
    for client in [read_only, open] {
        for reply in writes(&client).await {
            reply.assert(StatusCode::FORBIDDEN, "DENIED");
        }
        for reply in reads(&client).await {
            reply.assert_status(StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn without_access_control_everybody_does_everything() {
    let app = TestApp::new().await;
    app.open().push_image("team/app", "v1").await;
    for reply in reads(&app.open()).await {
        reply.assert_status(StatusCode::OK);
    }
    app.open().delete("/v2/team/app/manifests/v1").await.assert_status(StatusCode::ACCEPTED);
    app.open().get("/v2/_catalog").await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_token_covers_exactly_its_repository() {
    let app = TestApp::new().await;
    for name in ["a1/b", "a1/bc", "a1/b/c", "a1"] {
        app.admin().push_image(name, "v1").await;
    }
    let token = app.admin().token("repository:a1/b:pull,push,delete").await;
    let client = app.anonymous().with_token(&token);
    client.get("/v2/a1/b/manifests/v1").await.assert_status(StatusCode::OK);
    client.push_image("a1/b", "v2").await;
    for name in ["a1/bc", "a1/b/c", "a1", "a1/new"] {
        let outside = [
            client.get(&format!("/v2/{name}/manifests/v1")).await,
            client.get(&format!("/v2/{name}/tags/list")).await,
            client.get(&format!("/v2/{name}/referrers/{}", sha256(b"x"))).await,
            client.post(&format!("/v2/{name}/blobs/uploads/"), "").await,
            client.put_manifest(name, "v1", image(b"config", b"layer").to_string()).await,
            client.delete(&format!("/v2/{name}/manifests/v1")).await,
        ];
        for reply in outside {
            reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            let challenge = reply.header("www-authenticate");
            assert!(challenge.contains(",error=\"insufficient_scope\""), "{name}: {challenge}");
            assert!(challenge.contains(&format!("scope=\"repository:{name}:")), "{name}: {challenge}");
        }
    }
    client.get("/v2/_catalog").await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_pull_token_does_not_push_or_delete() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "v1").await;
    let token = app.admin().token("repository:team/app:pull").await;
    let client = app.anonymous().with_token(&token);
    for reply in reads(&client).await {
        reply.assert_status(StatusCode::OK);
    }
    for reply in writes(&client).await {
        reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    let pushing = app.anonymous().with_token(&app.admin().token("repository:team/app:pull,push").await);
    let deleted = pushing.delete("/v2/team/app/manifests/v1").await;
    deleted.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_session_is_its_users_own() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    let token = app.admin().token("repository:team/app:pull,push").await;
    app.anonymous().with_token(&token).get(&session).await.assert_status(StatusCode::NO_CONTENT);
    app.second().get(&session).await.assert(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
    app.reader().get(&session).await.assert(StatusCode::FORBIDDEN, "DENIED");
    app.anonymous().get(&session).await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}
