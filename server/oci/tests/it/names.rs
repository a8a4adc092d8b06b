//! Names and paths: what is none of the spec's grammar never reaches the store.

use axum::http::{Method, StatusCode};

use zot_testing::app::TestApp;
use zot_testing::content::sha256;
use zot_testing::reply::Reply;

const BAD_NAMES: [&str; 19] = [
    "..",
    ".",
    "team/..",
    "../team",
    "%2e%2e%2f",
    "%2e%2e/app",
    "team/%2e%2e%2fapp",
    "team//app",
    "/team/app",
    "team%00",
    "team%2Fapp",
    "team%5Capp",
    "Team/app",
    "team/App",
    "_catalog",
    "team/_app",
    "team/app-",
    "%ff%fe",
    "team/%20app",
];

#[tokio::test]
async fn bad_names_are_refused_on_every_route() {
    let app = TestApp::new().await;
    let admin = app.admin();
    let digest = sha256(b"x");
    let long = format!("team/{}", "a".repeat(251));
    for name in BAD_NAMES.iter().copied().chain([long.as_str()]) {
        for (method, path) in [
            (Method::GET, format!("/v2/{name}/manifests/v1")),
            (Method::HEAD, format!("/v2/{name}/blobs/{digest}")),
            (Method::PUT, format!("/v2/{name}/manifests/v1")),
            (Method::DELETE, format!("/v2/{name}/manifests/v1")),
            (Method::GET, format!("/v2/{name}/tags/list")),
            (Method::GET, format!("/v2/{name}/referrers/{digest}")),
            (Method::GET, format!("/v2/{name}/blobs/{digest}")),
            (Method::POST, format!("/v2/{name}/blobs/uploads/")),
            (Method::PATCH, format!("/v2/{name}/blobs/uploads/{}", uuid::Uuid::nil())),
        ] {
            let reply = admin.call(method.clone(), &path).send().await;
            if method == Method::HEAD {
                reply.assert_status(StatusCode::BAD_REQUEST);
            } else {
                reply.assert(StatusCode::BAD_REQUEST, "NAME_INVALID");
            }
        }
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM repository").await, 0);
}

#[tokio::test]
async fn a_name_of_255_characters_is_served() {
    let app = TestApp::new().await;
    let name = format!("team/{}", "a".repeat(250));
    app.admin().push_image(&name, "v1").await;
    app.admin().get(&format!("/v2/{name}/manifests/v1")).await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn bad_tags_are_refused() {
    let app = TestApp::new().await;
    let long = "a".repeat(129);
    for tag in [long.as_str(), "-x", ".x", "a+b", "a%20b", "%C3%A9", "a%00"] {
        let path = format!("/v2/team/app/manifests/{tag}");
        let code = if tag.contains("%00") { "NAME_INVALID" } else { "MANIFEST_INVALID" };
        app.admin().put(&path, "{}").await.assert(StatusCode::BAD_REQUEST, code);
        app.admin().get(&path).await.assert(StatusCode::BAD_REQUEST, code);
    }
    app.admin().push_image("team/app", &"a".repeat(128)).await;
}

#[tokio::test]
async fn bad_digests_are_refused() {
    let app = TestApp::new().await;
    let upper = format!("sha256:{}", "A".repeat(64));
    let md5 = format!("md5:{}", "a".repeat(32));
    let long = format!("sha256:{}", "a".repeat(65));
    for digest in ["sha256:", "sha256:abc", &upper, &md5, &long, "sha512:abc", ":", "sha256:g", "sha256"] {
        let bad = |reply: Reply| {
            reply.assert(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
        };
        bad(app.admin().get(&format!("/v2/team/app/blobs/{digest}")).await);
        bad(app.admin().get(&format!("/v2/team/app/referrers/{digest}")).await);
        bad(app.admin().post(&format!("/v2/team/app/blobs/uploads/?digest={digest}"), "x").await);
        bad(app.admin().post(&format!("/v2/team/app/blobs/uploads/?mount={digest}&from=team/b"), "").await);
        if digest.contains(':') {
            bad(app.admin().get(&format!("/v2/team/app/manifests/{digest}")).await);
        }
    }
}

#[tokio::test]
async fn a_digest_holds_no_path() {
    let app = TestApp::new().await;
    let encoded = app.admin().get("/v2/team/app/blobs/sha256:..%2F..%2Fx").await;
    encoded.assert(StatusCode::BAD_REQUEST, "NAME_INVALID");
    for path in ["/v2/team/app/blobs/sha256:../../x", "/v2/team/app/blobs/uploads/../../x", "/v2/team/app", "/v2//"] {
        app.admin().get(path).await.assert(StatusCode::NOT_FOUND, "NAME_UNKNOWN");
    }
}

#[tokio::test]
async fn a_session_that_is_not_ours_is_unknown() {
    let app = TestApp::new().await;
    let session = app.admin().begin("team/app").await;
    let id = session.rsplit('/').next().unwrap();
    let unknown = zot_core::ambient::random_id();
    let paths = [
        (app.admin(), format!("/v2/team/app/blobs/uploads/{unknown}")),
        (app.admin(), "/v2/team/app/blobs/uploads/1234".to_owned()),
        (app.admin(), "/v2/team/app/blobs/uploads/%27%20OR%201=1".to_owned()),
        (app.admin(), format!("/v2/team/other/blobs/uploads/{id}")),
        (app.second(), session.clone()),
    ];
    for (client, path) in paths {
        let digest = sha256(b"x");
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let reply = client.call(method, &path).send().await;
            reply.assert(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
        }
        let put = client.put(&format!("{path}?digest={digest}"), "x").await;
        put.assert(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
    }
    app.admin().get(&session).await.assert_status(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn methods_that_a_path_does_not_have_are_named() {
    let app = TestApp::new().await;
    let digest = sha256(b"x");
    for (method, path, allow) in [
        (Method::POST, "/v2/".to_owned(), "GET, HEAD"),
        (Method::DELETE, "/v2/team/app/tags/list".to_owned(), "GET, HEAD"),
        (Method::POST, "/v2/team/app/manifests/v1".to_owned(), "GET, HEAD, PUT, DELETE"),
        (Method::PUT, format!("/v2/team/app/blobs/{digest}"), "GET, HEAD, DELETE"),
        (Method::GET, "/v2/team/app/blobs/uploads/".to_owned(), "POST"),
    ] {
        let reply = app.admin().call(method, &path).send().await;
        reply.assert(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED");
        assert_eq!(reply.header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn the_rest_api_refuses_paths_and_methods_in_its_own_form() {
    let app = TestApp::new().await;
    for (method, path, status, code, allow) in [
        (Method::GET, "/api/v1/nothing", StatusCode::NOT_FOUND, "not_found", None),
        (Method::GET, "/api", StatusCode::NOT_FOUND, "not_found", None),
        (Method::PUT, "/api/v1/auth", StatusCode::METHOD_NOT_ALLOWED, "bad_request", Some("GET,HEAD")),
        (Method::DELETE, "/api/v1/rbac/policies", StatusCode::METHOD_NOT_ALLOWED, "bad_request", Some("GET,HEAD,POST")),
    ] {
        let reply = app.admin().call(method, path).send().await;
        let error = reply.assert_status(status).json();
        assert_eq!(
            (&error["code"], &error["type"], &error["retryable"]),
            (&code.into(), &"client_error".into(), &false.into())
        );
        assert_eq!(error["requestId"], reply.header("x-request-id"));
        assert_eq!(reply.optional("allow"), allow, "{path}");
    }
    app.admin().call(Method::PUT, "/health").send().await.assert_status(StatusCode::METHOD_NOT_ALLOWED);
}
