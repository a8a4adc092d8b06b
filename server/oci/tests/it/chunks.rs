//! Upload sessions: chunks in order, races with one winner, and going on after a broken one.

use axum::http::{Method, StatusCode};

use zot_testing::app::TestApp;
use zot_testing::content::{bytes, sha256};
use zot_testing::reply::Reply;

async fn patch(app: &TestApp, session: &str, range: &str, body: &[u8]) -> Reply {
    let call = app.admin().call(Method::PATCH, session).header("content-range", range);
    call.body(body.to_vec()).send().await
}

#[tokio::test]
async fn chunks_must_follow_each_other() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    assert_eq!(
        patch(&app, &session, "0-9", b"0123456789").await.assert_status(StatusCode::ACCEPTED).header("range"),
        "0-9"
    );
    for (what, range) in
        [("overlap", "5-9"), ("again", "0-4"), ("gap", "11-15"), ("far", "9223372036854775807-9223372036854775811")]
    {
        let reply = patch(&app, &session, range, b"abcde").await;
        reply.assert(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID");
        assert_eq!((reply.header("range"), reply.header("location")), ("0-9", session.as_str()), "{what}");
    }
    let put = app.admin().call(Method::PUT, &format!("{session}?digest={}", sha256(b"x")));
    let put = put.header("content-range", "5-5").body("x").send().await;
    put.assert(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID");
    patch(&app, &session, "10-14", b"abcde").await.assert_status(StatusCode::ACCEPTED);
    let digest = sha256(b"0123456789abcde");
    app.admin().put(&format!("{session}?digest={digest}"), "").await.assert_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_content_range_that_cannot_be_is_refused() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    for range in [
        "9-5",
        "0-3",
        "0-5",
        "a-b",
        "",
        "5",
        "-5",
        "0-",
        "0-18446744073709551615",
        "0-99999999999999999999999",
        "bytes",
    ] {
        patch(&app, &session, range, b"01234").await.assert(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID");
    }
    let call = app.admin().call(Method::PATCH, &session).header("content-range", b"\xff-\xff");
    call.body("x").send().await.assert(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID");
    assert_eq!(app.admin().get(&session).await.header("range"), "0-0");
}

#[tokio::test]
async fn a_chunk_of_unannounced_length_has_the_length_of_its_range() {
    let app = TestApp::new().await;
    for range in ["0-3", "0-19"] {
        let session = app.admin().begin("team/app").await;
        let call = app.admin().call(Method::PATCH, &session).header("content-range", range);
        call.chunked(&[b"01234", b"56789"]).send().await.assert(StatusCode::BAD_REQUEST, "SIZE_INVALID");
    }
    let session = app.admin().begin("team/app").await;
    let call = app.admin().call(Method::PATCH, &session).header("content-range", "0-9");
    call.chunked(&[b"01234", b"56789"]).send().await.assert_status(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_broken_chunk_keeps_what_arrived_and_can_go_on() {
    let app = TestApp::new().await;
    for (first, broken, last) in [(0, 1000, 1000), (1000, 300_000, 10), (300_000, 300_000, 300_000)] {
        let content = bytes(first + broken + last);
        let session = app.admin().begin("team/app").await;
        app.admin().patch(&session, content[..first].to_vec()).await.assert_status(StatusCode::ACCEPTED);
        let call = app.admin().call(Method::PATCH, &session);
        let cut = call.broken(&content[first..first + broken], broken + last).send().await;
        cut.assert(StatusCode::BAD_REQUEST, "SIZE_INVALID");
        let held = app.admin().get(&session).await.header("range").to_owned();
        assert_eq!(held, format!("0-{}", first + broken - 1));
        let range = format!("{}-{}", first + broken, content.len() - 1);
        patch(&app, &session, &range, &content[first + broken..]).await.assert_status(StatusCode::ACCEPTED);
        let done = app.admin().put(&format!("{session}?digest={}", sha256(&content)), "").await;
        let got = app.admin().get(done.assert_status(StatusCode::CREATED).header("location")).await;
        assert_eq!(got.body, content);
    }
}

#[tokio::test]
async fn a_session_that_ended_takes_nothing_more() {
    let app = TestApp::new().await;
    let finished = app.admin().begin("team/app").await;
    app.admin().put(&format!("{finished}?digest={}", sha256(b"x")), "x").await.assert_status(StatusCode::CREATED);
    let cancelled = app.admin().begin("team/app").await;
    app.admin().patch(&cancelled, bytes(300_000)).await.assert_status(StatusCode::ACCEPTED);
    app.admin().delete(&cancelled).await.assert_status(StatusCode::NO_CONTENT);
    for session in [finished, cancelled] {
        let unknown = |reply: Reply| {
            reply.assert(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
        };
        unknown(app.admin().patch(&session, "y").await);
        unknown(app.admin().get(&session).await);
        unknown(app.admin().delete(&session).await);
        unknown(app.admin().put(&format!("{session}?digest={}", sha256(b"x")), "").await);
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM segment WHERE state = 'staged'").await, 0);
}

#[tokio::test]
async fn a_put_needs_a_digest() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    app.admin().put(&session, "x").await.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    let twice = format!("{session}?digest={0}&digest={0}", sha256(b"x"));
    app.admin().put(&twice, "x").await.assert(StatusCode::BAD_REQUEST, "UNSUPPORTED");
    app.admin().get(&session).await.assert_status(StatusCode::NO_CONTENT);
}

const LOSERS: [(StatusCode, &str); 2] =
    [(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"), (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN")];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_requests_that_race_to_finish_a_session_one_wins() {
    let app = TestApp::new().await;
    for size in [1000, 700_000] {
        let session = app.admin().begin("team/app").await;
        let contents: Vec<Vec<u8>> = (0..4).map(|n| bytes(size + n)).collect();
        let puts = contents.iter().map(|content| {
            let (admin, path) = (app.admin(), format!("{session}?digest={}", sha256(content)));
            let content = content.clone();
            tokio::spawn(async move { admin.put(&path, content).await })
        });
        let mut won = 0;
        for put in puts.collect::<Vec<_>>() {
            let reply = put.await.unwrap();
            if reply.status == StatusCode::CREATED {
                won += 1;
            } else {
                reply.assert_any(&LOSERS);
            }
        }
        assert_eq!(won, 1, "of {size} bytes");
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM blob").await, 2);
    assert_eq!(app.count("SELECT COUNT(*) FROM upload").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_chunks_that_race_for_one_place_one_wins() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    let content = bytes(600_000);
    let patches = (0..4).map(|_| {
        let call = app.admin().call(Method::PATCH, &session).header("content-range", "0-599999").body(content.clone());
        tokio::spawn(call.send())
    });
    let mut won = 0;
    for patch in patches.collect::<Vec<_>>() {
        let reply = patch.await.unwrap();
        if reply.status == StatusCode::ACCEPTED {
            won += 1;
        } else {
            reply.assert(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID");
        }
    }
    assert_eq!(won, 1);
    let done = app.admin().put(&format!("{session}?digest={}", sha256(&content)), "").await;
    done.assert_status(StatusCode::CREATED);
}
