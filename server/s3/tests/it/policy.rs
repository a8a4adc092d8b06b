//! Bucket policies and public access blocks: they are stored, only some callers may change them, and they are deleted with
//! the bucket. `decided.rs` tests their decisions.

use axum::http::Method;
use serde_json::{Value, json};
use zot_core::policy::Settings;
use zot_testing::app::{ADMIN, Config, READER, STRICT};

use crate::support::{Key, Store, allow, refused, sent, statement};

#[tokio::test]
async fn a_policy_is_kept_as_it_was_put() {
    let store = Store::new().await;
    let ask = async |signer: &Key, method, query: &str| sent(signer.request(method, "/team", query)).await;
    refused(ask(&store.admin, Method::GET, "policy=").await, 404, "NoSuchBucketPolicy");
    refused(ask(&store.admin, Method::GET, "policyStatus=").await, 404, "NoSuchBucketPolicy");
    ask(&store.admin, Method::DELETE, "policy=").await.expect_status(204);
    let text = "{ \"Statement\":\n\t[{\"Sid\": \"\u{fc}\", \"Effect\": \"Allow\", \"Principal\": \"*\",\r\n \"Action\": \
                \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::team/*\"}]}\n";
    store.put_text(text).await.expect_status(204);
    let kept = ask(&store.admin, Method::GET, "policy=").await.expect_status(200);
    assert_eq!((&kept.body[..], kept.header("content-type")), (text.as_bytes(), "application/json"));
    let status = ask(&store.admin, Method::GET, "policyStatus=").await.expect_status(200);
    assert!(String::from_utf8_lossy(&status.body).contains("<IsPublic>true</IsPublic>"), "{status}");
    let private = json!({"Statement": [statement("Allow", "alice", &["s3:GetObject"], "team/*")]});
    store.put(&private).await.expect_status(204);
    let status = ask(&store.admin, Method::GET, "policyStatus=").await.expect_status(200);
    assert!(String::from_utf8_lossy(&status.body).contains("<IsPublic>false</IsPublic>"), "{status}");
    for query in ["policy=", "policyStatus=", "publicAccessBlock="] {
        refused(ask(&store.reader, Method::GET, query).await, 403, "AccessDenied");
        refused(sent(store.nobody.call(Method::GET, &format!("/s3/team?{query}"))).await, 403, "AccessDenied");
        refused(sent(store.admin.request(Method::GET, "/absent", query)).await, 404, "NoSuchBucket");
    }
    for (method, query) in [
        (Method::PUT, "policy="),
        (Method::DELETE, "policy="),
        (Method::PUT, "publicAccessBlock="),
        (Method::DELETE, "publicAccessBlock="),
    ] {
        let body =
            if query == "policy=" { private.to_string() } else { "<PublicAccessBlockConfiguration/>".to_owned() };
        let asked = |signer: &Key, path: &str| signer.request(method.clone(), path, query).body(body.clone());
        refused(sent(asked(&store.reader, "/team")).await, 403, "AccessDenied");
        refused(sent(asked(&store.admin, "/absent")).await, 404, "NoSuchBucket");
    }
    ask(&store.admin, Method::DELETE, "policy=").await.expect_status(204);
    refused(ask(&store.admin, Method::GET, "policy=").await, 404, "NoSuchBucketPolicy");
}

#[tokio::test]
async fn it_ends_with_its_bucket() {
    let store = Store::new().await;
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    store.block("BlockPublicAcls").await.expect_status(200);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
    for key in ["/team/a", "/team/dir/b", "/team"] {
        sent(store.admin.request(Method::DELETE, key, "")).await.expect_status(204);
    }
    store.make().await;
    // at once on the replica that was asked
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403);
    refused(sent(store.admin.request(Method::GET, "/team", "policy=")).await, 404, "NoSuchBucketPolicy");
    let block = sent(store.admin.request(Method::GET, "/team", "publicAccessBlock=")).await;
    refused(block, 404, "NoSuchPublicAccessBlockConfiguration");
}

#[tokio::test]
async fn malformed_ones_are_refused_and_named() {
    let store = Store::new().await;
    let good = allow(&["s3:GetObject"], "team/*");
    store.put(&good).await.expect_status(204);
    let with = |name: &str, value: Value| {
        let mut policy = good.clone();
        policy["Statement"][0][name] = value;
        policy.to_string()
    };
    for (text, named) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "expected"),
        (with("NotPrincipal", json!("*")), "NotPrincipal"),
        (with("NotAction", json!("s3:GetObject")), "NotAction"),
        (with("NotResource", json!("*")), "NotResource"),
        (with("Action", json!("s3:FlyObject")), "s3:FlyObject"),
        (with("Resource", json!("arn:aws:s3:::other/*")), "other"),
        (with("Effect", json!("Maybe")), "Maybe"),
        (with("Condition", json!({"StringEquals": {"aws:PrincipalOrgID": "o"}})), "aws:PrincipalOrgID"),
        (with("Condition", json!({"StringFlies": {"s3:prefix": "o"}})), "StringFlies"),
        (format!("{good}{}", " ".repeat(20 * 1024)), "20480"),
    ] {
        let reply = refused(store.put_text(&text).await, 400, "MalformedPolicy");
        assert!(String::from_utf8_lossy(&reply.body).contains(named), "{text}: {reply}");
    }
    sent(store.admin.request(Method::PUT, "/team", "policy=").body(&b"\xff\xfe"[..])).await.expect_status(400);
    let huge = store.admin.request(Method::PUT, "/team", "policy=").body(vec![b' '; 3 * 1024 * 1024]);
    refused(sent(huge).await, 400, "EntityTooLarge");
    let kept = sent(store.admin.request(Method::GET, "/team", "policy=")).await.expect_status(200);
    assert_eq!(kept.json(), good, "what was there stays");
    let block = store.admin.request(Method::PUT, "/team", "publicAccessBlock=");
    refused(sent(block.body("<PublicAccessBlockConfiguration><X/>")).await, 400, "MalformedXML");
}

#[tokio::test]
async fn a_store_that_takes_no_changes_keeps_them() {
    let store = Store::new().await;
    store.put(&allow(&["s3:*"], "team/*")).await.expect_status(204);
    let policy = Settings { read_only: true, ..STRICT };
    let nobody = store.app.restarted(Config { policy, ..Config::default() }).await;
    let admin = Key::of(&nobody, ADMIN);
    let store = Store { reader: Key::of(&nobody, READER), nobody, admin, app: store.app };
    refused(store.put(&allow(&["s3:GetObject"], "team/*")).await, 403, "AccessDenied");
    refused(store.block("BlockPublicPolicy").await, 403, "AccessDenied");
    for query in ["policy=", "publicAccessBlock="] {
        refused(sent(store.admin.request(Method::DELETE, "/team", query)).await, 403, "AccessDenied");
    }
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
    assert_eq!(store.anonymous(Method::PUT, "/team/a").await, 403);
}

#[tokio::test]
async fn changes_are_recorded() {
    let store = Store::new().await;
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    store.block("BlockPublicPolicy").await.expect_status(200);
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(403);
    for query in ["policy=", "policy=", "publicAccessBlock="] {
        sent(store.admin.request(Method::DELETE, "/team", query)).await.expect_status(204);
    }
    let changes =
        "SELECT action || ' ' || resource || ' ' || actor FROM change WHERE action LIKE 'bucket.p%' ORDER BY at";
    let expected = ["policy.put", "publicaccess.put", "policy.delete", "publicaccess.delete"];
    let expected = expected.map(|it| format!("bucket.{it} bucket:team key:{}", ADMIN.0));
    assert_eq!(store.app.column(changes).await, expected);
}
