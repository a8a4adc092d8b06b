//! Credentials of the S3 API, STS, and the limits that lie outside of it.

use std::time::Duration;

use axum::http::Method;
use zot_testing::app::{ADMIN, Config, STRICT, TestApp, options};
use zot_testing::client::Call;

use crate::lists::texts;
use crate::support::{Key, Store};

#[tokio::test]
async fn wrong_signatures_are_refused_by_their_codes() {
    let store = Store::new().await;
    let wrong = |key| Key::of(&store.nobody, key).request(Method::GET, "/team/a", "").send();
    wrong((ADMIN.0, "wrong")).await.expect_code(403, "SignatureDoesNotMatch");
    wrong(("nobody", ADMIN.1)).await.expect_code(403, "InvalidAccessKeyId");
    store.nobody.get("/s3/team/a").await.expect_code(403, "AccessDenied");
    store.nobody.put("/s3/team/a", "x").await.expect_code(403, "AccessDenied");
    store.reader.request(Method::GET, "/team/a", "").send().await.expect_status(200);
    store.reader.request(Method::PUT, "/team/a", "").body("x").send().await.expect_code(403, "AccessDenied");
    let open = store.app.open();
    assert_eq!(open.get("/s3/team/a").await.expect_status(200).text(), "text");
    open.put("/s3/team/new", "x").await.expect_status(200);
    let broken = open.call(Method::GET, "/s3/team/a").header("authorization", "AWS4-HMAC-SHA256 x");
    assert!(broken.send().await.status.is_client_error());
}

#[tokio::test]
async fn a_presigned_url_does_what_it_was_signed_for() {
    let store = Store::new().await;
    let url = || store.admin.presigned(Method::GET, "/team/a", "");
    assert_eq!(url().send().await.expect_status(200).text(), "text");
    store.admin.presigned(Method::PUT, "/team/signed", "").body("x").send().await.expect_status(200);
    let smuggled = store.admin.presigned(Method::PUT, "/team/copy", "").header("x-amz-copy-source", "/team/a");
    smuggled.send().await.expect_code(403, "AccessDenied");
    let longer = store.admin.signer(&Method::GET, "/team/a", "").presign("").uri().to_string();
    let longer = longer.replace("X-Amz-Expires=600", "X-Amz-Expires=601");
    let spoiled = store.nobody.call(Method::GET, &longer).header("host", "s3.example.test");
    spoiled.send().await.expect_code(403, "SignatureDoesNotMatch");

    let mut config = Config::default();
    config.s3.presigned = false;
    let without = Key::of(&store.app.configured(config), ADMIN);
    without.presigned(Method::GET, "/team/a", "").send().await.expect_code(403, "AccessDenied");
}

/// An action of STS as a signed form; without a key an unsigned one.
fn action(store: &Store, key: Option<&Key>, form: &str) -> Call {
    let call = match key {
        Some(key) => {
            use sha2::{Digest as _, Sha256};
            let signer = key.signer(&Method::POST, "/", "").with(|signer| {
                "sts".clone_into(&mut signer.service);
                signer.sha256 = hex::encode(Sha256::digest(form));
            });
            store.nobody.prepared(signer.sign(""))
        }
        None => store.nobody.call(Method::POST, "/s3/"),
    };
    call.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
}

#[tokio::test]
async fn sts_says_who_the_caller_is() {
    let store = Store::new().await;
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = action(&store, Some(&store.reader), who).send().await.expect_status(200).text();
    assert_eq!(texts(&answer, "UserId"), ["key:reader"], "{answer}");
    assert_eq!(texts(&answer, "Arn"), ["arn:aws:iam::000000000000:key/reader"]);
    action(&store, None, who).send().await.expect_code(403, "MissingAuthenticationToken");
    let wrong = Key::of(&store.nobody, (ADMIN.0, "wrong"));
    action(&store, Some(&wrong), who).send().await.expect_code(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn sts_refuses_what_it_does_not_know() {
    let store = Store::new().await;
    let role = "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::000000000000:role/self&RoleSessionName=ci";
    let token = format!("{role}&WebIdentityToken=x.y.z");
    for (form, code) in [
        ("Version=2011-06-15", "MissingAction"),
        ("Action=AssumeRole", "InvalidAction"),
        ("Action=GetCallerIdentity&Version=1", "ValidationError"),
        ("Action=GetCallerIdentity&Action=GetCallerIdentity", "ValidationError"),
        (role, "ValidationError"),
        (&format!("{token}&Policy=x"), "ValidationError"),
        (&format!("{token}&DurationSeconds=soon"), "ValidationError"),
        (&token.replace("role/self", "user/x"), "ValidationError"),
        (&token.replace("=ci", "=c%20i"), "ValidationError"),
        (&token, "InvalidIdentityToken"),
    ] {
        let reply = action(&store, None, form).send().await.expect_code(400, code);
        assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("text/xml", "no-store"), "{form}");
    }
}

#[tokio::test]
async fn limits_are_refused_in_both_dialects() {
    let store = Store::new().await;
    let full = zot_gateway::Options { max_concurrent_requests: Some(0), ..options() };
    let full = store.app.client(STRICT, full).with_key(ADMIN);
    let refused = full.get("/s3/team/a").await.expect_code(503, "ServiceUnavailable");
    assert_eq!(refused.header("retry-after"), "5");
    let refused = full.call(Method::GET, "/s3/team/a").header("accept", "application/json").send().await;
    let refused = refused.expect_status(503).json();
    assert_eq!((&refused["s3Code"], &refused["retryable"]), (&"ServiceUnavailable".into(), &true.into()), "{refused}");

    let slow = zot_gateway::Options { request_timeout: Some(Duration::from_millis(50)), ..options() };
    let slow = store.app.client(STRICT, slow).with_key(ADMIN);
    slow.call(Method::PUT, "/s3/team/slow").header("content-length", "5").endless().send().await.expect_status(503);

    let mut config = Config::default();
    config.s3.max_upload = 10;
    let small = store.app.configured(config).with_key(ADMIN);
    small.put("/s3/team/ten", "0123456789").await.expect_status(200);
    small.put("/s3/team/eleven", "0123456789a").await.expect_code(400, "EntityTooLarge");
    let pieces = small.call(Method::PUT, "/s3/team/eleven").chunked(&[b"012345", b"6789a"]);
    assert!(pieces.send().await.status.is_client_error());
    small.head("/s3/team/eleven").await.expect_status(404);
}

#[tokio::test]
async fn without_the_database_it_is_unavailable_and_says_nothing_of_its_insides() {
    let store = Store::new().await;
    store.app.store.close().await;
    let reply = store.client().get("/s3/team/a").await.expect_code(503, "ServiceUnavailable");
    assert!(!reply.text().to_ascii_lowercase().contains("sql"), "{reply}");
    let json = store.client().call(Method::GET, "/s3/team/a").header("accept", "application/json").send().await;
    assert_eq!(json.expect_status(503).json()["code"], "service_unavailable");
}

/// The routes of all APIs are built together, and none takes another's paths.
#[tokio::test]
async fn each_path_is_answered_in_the_dialect_of_its_api() {
    let app = TestApp::new().await;
    for (path, status, begins) in [
        ("/v2/team/app/tags/none", 404, "{\"errors\":"),
        ("/rbac/none", 404, "{"),
        ("/api/v1/none", 404, "{"),
        ("/supplychain/none", 501, "{"),
        ("/none", 404, "{"),
        ("/s3/none/key", 404, "<?xml"),
        ("/s3/rbac/policies", 404, "<?xml"),
        ("/s3/v2/", 404, "<?xml"),
    ] {
        let reply = app.admin().get(path).await.expect_status(status);
        assert!(reply.text().starts_with(begins), "{reply}");
    }
}
