//! What operators set and see: health, request ids, limits, cross-origin access; and that no input breaks the server.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tower::ServiceExt as _;
use zot_gateway::{Cors, Options};

use zot_testing::app::{ADMIN, Config, STRICT, TestApp, options};
use zot_testing::content::sha256;

#[tokio::test]
async fn a_healthy_store_says_so() {
    let app = TestApp::new().await;
    let health = app.anonymous().get("/health").await;
    let report = health.assert_status(StatusCode::OK).json();
    assert_eq!((&report["status"], &report["version"]), (&json!("healthy"), &json!("0.0.0-test")));
    for component in ["metadata_store", "storage"] {
        assert_eq!(report["components"][component]["status"], "healthy", "{component}");
    }
    let live = app.anonymous().get("/health/live").await;
    assert_eq!(live.assert_status(StatusCode::OK).json(), json!({"status": "alive"}));
    let ready = app.anonymous().get("/health/ready").await;
    assert_eq!(ready.assert_status(StatusCode::OK).json(), json!({"status": "ready"}));
}

#[tokio::test]
async fn warnings_make_health_degraded_and_no_more() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, Options { warnings: vec!["mind".to_owned()], ..options() });
    let report = client.get("/health").await.assert_status(StatusCode::OK).json();
    assert_eq!((&report["status"], &report["warnings"]), (&json!("degraded"), &json!(["mind"])));
    client.get("/health/ready").await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_draining_server_is_alive_and_not_ready() {
    let app = TestApp::new().await;
    app.gateway.drain();
    app.anonymous().get("/health/ready").await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    app.anonymous().get("/health/live").await.assert_status(StatusCode::OK);
    app.admin().get("/v2/").await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn every_response_has_an_id_of_its_own() {
    let app = TestApp::new().await;
    let mut seen = std::collections::HashSet::new();
    for path in ["/v2/", "/v2/team/app/tags/list", "/v2/Bad/tags/list", "/health", "/metrics", "/auth/token", "/none"] {
        for client in [app.admin(), app.anonymous(), app.anonymous().with_authorization("Basic x")] {
            let reply = client.call(Method::GET, path).header("x-request-id", "the-clients-own").send().await;
            let id = reply.header("x-request-id").to_owned();
            assert!(uuid::Uuid::try_parse(&id).is_ok_and(|id| id.get_version_num() == 7), "{path}: {id}");
            assert!(seen.insert(id), "{path}");
        }
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_of_concurrency_are_refused_for_now() {
    let app = TestApp::new().await;
    let client = app.client(STRICT, Options { max_concurrent_requests: Some(0), ..options() }).with_key(ADMIN);
    for path in ["/v2/", "/v2/team/app/tags/list"] {
        let reply = client.get(path).await;
        reply.assert(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE");
        assert_eq!(reply.header("retry-after"), "5");
    }
    let exempt = format!("/v2/team/app/referrers/{}", sha256(b"x"));
    for path in ["/health", "/health/live", "/health/ready", "/metrics", &exempt] {
        client.get(path).await.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let app = TestApp::new().await;
    let limit = Some(Duration::from_millis(50));
    let client = app.client(STRICT, Options { request_timeout: limit, ..options() }).with_key(ADMIN);
    let session = client.begin("team/app").await;
    let reply = client.call(Method::PATCH, &session).endless().send().await;
    reply.assert(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE");
    assert_eq!(reply.header("retry-after"), "5");
    client.get(&session).await.assert_status(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let app = TestApp::new().await;
    let client = app.configured(Config { max_body: Some(10), ..Config::default() }).with_key(ADMIN);
    let path = format!("/v2/team/app/blobs/uploads/?digest={}", sha256(b"0123456789a"));
    client.post(&path, "0123456789a").await.assert(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID");
    let session = client.begin("team/app").await;
    for method in [Method::PATCH, Method::PUT] {
        let path = format!("{session}?digest={}", sha256(b"x"));
        let call = client.call(method, &path).chunked(&[b"0123456789", b"a"]);
        call.send().await.assert(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID");
    }
    client.push_blob("team/app", b"0123456789").await;
}

#[tokio::test]
async fn browsers_of_the_named_origins_may_ask() {
    let app = TestApp::new().await;
    let cors = Cors {
        origins: vec![HeaderValue::from_static("https://ui.example")],
        methods: vec![Method::GET],
        headers: vec![HeaderName::from_static("authorization")],
        expose: vec![HeaderName::from_static("docker-content-digest")],
    };
    let client = app.client(STRICT, Options { cors: Some(cors), ..options() });
    let preflight = |origin: &'static str| {
        let call = client.call(Method::OPTIONS, "/v2/").header("origin", origin);
        call.header("access-control-request-method", "GET").send()
    };
    let named = preflight("https://ui.example").await;
    assert_eq!(named.assert_status(StatusCode::OK).header("access-control-allow-origin"), "https://ui.example");
    assert_eq!(named.header("access-control-allow-methods"), "GET");
    assert_eq!(preflight("https://evil.example").await.optional("access-control-allow-origin"), None);
    let refused = client.call(Method::GET, "/v2/").header("origin", "https://ui.example").send().await;
    refused.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    assert_eq!(refused.header("access-control-expose-headers"), "docker-content-digest");
    let without = app.anonymous().call(Method::GET, "/v2/").header("origin", "https://ui.example").send().await;
    assert_eq!(without.optional("access-control-allow-origin"), None);
}

/// A request of random bytes, near enough to the routes to get past the router.
fn request() -> impl Strategy<Value = Option<Request<Body>>> {
    let text = prop::collection::vec(any::<u8>(), 0..40);
    let known = prop::sample::select(vec![
        "",
        "v2",
        "_catalog",
        "team",
        "app",
        "tags",
        "list",
        "blobs",
        "uploads",
        "manifests",
        "referrers",
        "auth",
        "token",
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "api",
        "v1",
        "health",
        "%2e%2e",
        "%",
    ]);
    let segment = prop_oneof![4 => known.prop_map(|known| known.as_bytes().to_vec()), 1 => text.clone()];
    let path =
        prop::collection::vec(segment, 0..7).prop_map(|segments| [b"/v2/".as_slice(), &segments.join(&b'/')].concat());
    let names = prop::sample::select(vec![
        "range",
        "content-range",
        "content-length",
        "if-range",
        "if-none-match",
        "authorization",
        "content-type",
        "host",
        "content-encoding",
        "expect",
        "accept",
        "origin",
        "x-request-id",
    ]);
    let parameters =
        prop::sample::select(vec!["n=", "last=", "digest=", "mount=", "from=", "tag=", "artifactType=", ""]);
    let query = prop::collection::vec((parameters, text.clone()), 0..3);
    let methods = prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "X"]);
    (methods, path, query, prop::collection::vec((names, text.clone()), 0..4), text).prop_map(build)
}

type Parts = (&'static str, Vec<u8>, Vec<(&'static str, Vec<u8>)>, Vec<(&'static str, Vec<u8>)>, Vec<u8>);

/// None where the bytes are no request at all, which the server's codec refuses before the router.
fn build((method, path, query, headers, body): Parts) -> Option<Request<Body>> {
    let query: Vec<Vec<u8>> = query.into_iter().map(|(name, value)| [name.as_bytes(), &value].concat()).collect();
    let uri = [path.as_slice(), b"?", &query.join(&b'&')].concat();
    let mut request = Request::builder().method(method).uri(uri.as_slice());
    for (name, value) in headers {
        request = request.header(name, HeaderValue::from_bytes(&value).ok()?);
    }
    request.body(Body::from(body)).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::result_large_err, reason = "the error's type is proptest's")]
async fn no_bytes_make_the_store_fail() {
    let app = TestApp::new().await;
    app.admin().push_image("team/app", "list").await;
    let open = zot_core::policy::Settings { access_control: false, ..STRICT };
    let router = app.client(open, options()).router();
    let handle = tokio::runtime::Handle::current();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = tokio::task::spawn_blocking(move || {
        runner.run(&request(), |request| {
            let Some(request) = request else { return Ok(()) };
            let what = format!("{request:?}");
            let response = handle.block_on(router.clone().oneshot(request)).unwrap();
            prop_assert!(!response.status().is_server_error(), "{}: {what}", response.status());
            prop_assert!(response.headers().contains_key("x-request-id"), "{what}");
            Ok(())
        })
    });
    outcome.await.unwrap().unwrap();
}
