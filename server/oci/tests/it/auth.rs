//! Credentials: challenges that tell clients what next, and refusals that say nothing of what is there.

use axum::http::{Method, StatusCode};
use zot_core::policy::Settings;

use zot_testing::app::{ADMIN, READER, STRICT, TestApp, options};
use zot_testing::client::basic;
use zot_testing::content::sha256;

#[tokio::test]
async fn the_base_tells_where_tokens_are() {
    let app = TestApp::new().await;
    for (host, realm) in [("zot.example:8443", "http://zot.example:8443"), ("x\", evil=\"y", "http://xevily")] {
        let reply = app.anonymous().call(Method::GET, "/v2/").header("host", host).send().await;
        reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        let challenge = format!("Bearer realm=\"{realm}/auth/token\",service=\"zot-test\"");
        assert_eq!(reply.header("www-authenticate"), challenge);
        assert_eq!(reply.header("docker-distribution-api-version"), "registry/2.0");
    }
    for client in [app.admin(), app.reader(), app.open()] {
        let reply = client.get("/v2/").await;
        assert_eq!(reply.assert_status(StatusCode::OK).header("docker-distribution-api-version"), "registry/2.0");
    }
}

#[tokio::test]
async fn the_base_challenges_even_where_the_anonymous_may_read() {
    let app = TestApp::new().await;
    let public = app.client(Settings { anonymous_read: true, ..STRICT }, options());
    public.get("/v2/").await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    let token = public.token("repository:team/app:pull").await;
    public.with_token(&token).get("/v2/").await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_challenge_names_the_scope_that_is_needed() {
    let app = TestApp::new().await;
    let digest = sha256(b"x");
    for (method, path, scope) in [
        (Method::GET, "/v2/team/app/manifests/v1".to_owned(), "repository:team/app:pull"),
        (Method::PUT, "/v2/team/app/manifests/v1".to_owned(), "repository:team/app:pull,push"),
        (Method::POST, "/v2/team/app/blobs/uploads/".to_owned(), "repository:team/app:pull,push"),
        (Method::DELETE, format!("/v2/team/app/blobs/{digest}"), "repository:team/app:delete"),
        (Method::GET, format!("/v2/team/app/referrers/{digest}"), "repository:team/app:pull"),
        (Method::GET, "/v2/_catalog".to_owned(), "registry:catalog:*"),
    ] {
        let reply = app.anonymous().call(method, &path).send().await;
        reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        assert!(reply.header("www-authenticate").ends_with(&format!(",scope=\"{scope}\"")), "{path}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_even_with_access_control_off() {
    let app = TestApp::new().await;
    let wrong = [
        basic((ADMIN.0, "wrong")),
        basic(("nobody", ADMIN.1)),
        basic((ADMIN.0, READER.1)),
        basic((ADMIN.0, "")),
        basic(("", "")),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        "Basic YWRtaW4=".to_owned(),
        "Basic /////w==".to_owned(),
        "Bearer".to_owned(),
        "Bearer x.y.z".to_owned(),
        "Digest username=\"admin\"".to_owned(),
        "admin".to_owned(),
        " ".to_owned(),
    ];
    for value in &wrong {
        for client in [app.anonymous(), app.open()] {
            for path in ["/v2/", "/v2/team/app/tags/list", "/v2/Bad/tags/list", "/v2/_catalog"] {
                let reply = client.clone().with_authorization(value).get(path).await;
                reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
                assert!(reply.header("www-authenticate").contains("error=\"invalid_token\""), "{value}");
            }
            let token = client.clone().with_authorization(value).get("/auth/token?service=zot-test").await;
            token.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            assert!(token.header("www-authenticate").starts_with("Basic realm=\"zot\""), "{value}");
        }
    }
}

#[tokio::test]
async fn a_header_that_is_no_text_is_refused() {
    let app = TestApp::new().await;
    let reply = app.open().call(Method::GET, "/v2/").header("authorization", b"Basic \xff\xfe").send().await;
    reply.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
}

#[tokio::test]
async fn several_authorization_headers_are_refused() {
    let app = TestApp::new().await;
    for second in [basic(ADMIN), basic(READER), "Bearer x".to_owned()] {
        let call = app.admin().call(Method::GET, "/v2/").header("authorization", second);
        call.send().await.assert(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn the_scheme_is_known_in_any_case() {
    let app = TestApp::new().await;
    for scheme in ["basic", "BASIC", "Basic "] {
        let value = basic(ADMIN).replacen("Basic", scheme, 1);
        app.anonymous().with_authorization(&value).get("/v2/").await.assert_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn the_anonymous_cannot_tell_what_is_there() {
    let app = TestApp::new().await;
    let manifest = app.admin().push_image("team/there", "v1").await;
    let layer = sha256(b"layer");
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        for rest in [
            "manifests/v1".to_owned(),
            format!("manifests/{manifest}"),
            format!("blobs/{layer}"),
            "tags/list".to_owned(),
            format!("referrers/{manifest}"),
            "blobs/uploads/".to_owned(),
            format!("blobs/uploads/{}?digest={manifest}", uuid::Uuid::nil()),
        ] {
            let ask = |name: &str| app.anonymous().call(method.clone(), &format!("/v2/team/{name}/{rest}")).send();
            let (there, absent) = (ask("there").await, ask("gone0").await);
            assert_eq!(there.status, absent.status, "{method} {rest}");
            assert_eq!(there.stable_body(), absent.stable_body(), "{method} {rest}");
            let named = |reply: &zot_testing::reply::Reply| {
                let headers = reply.stable_headers(&[]);
                headers.into_iter().map(|(name, value)| (name, value.replace("there", "gone0"))).collect::<Vec<_>>()
            };
            assert_eq!(named(&there), named(&absent), "{method} {rest}");
            let allowed = [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED];
            assert!(allowed.contains(&there.status), "{method} {rest}: {}", there.status);
        }
    }
}
