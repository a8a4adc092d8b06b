//! What bucket policies and public access blocks allow and deny.

use axum::http::Method;
use serde_json::{Value, json};
use zot_testing::app::READER;

use crate::support::{Store, allow, refused, sent, statement};

#[tokio::test]
async fn what_is_public_is_no_more_than_that() {
    let store = Store::new().await;
    sent(store.admin.request(Method::PUT, "/other", "")).await.expect_status(200);
    sent(store.admin.request(Method::PUT, "/other/a", "").body("text")).await.expect_status(200);
    let client = store.client();
    let digest = client.push_image("team", "v1").await;
    let object = client.get("/api/v1/artifacts/team/a").await.expect_status(200).json();
    let reference = object["reference"].as_str().expect("a reference").split_once('@').expect("a digest").1.to_owned();
    let all = [
        (Method::GET, "/team/a"),
        (Method::HEAD, "/team/a"),
        (Method::GET, "/team?list-type=2"),
        (Method::PUT, "/team/new"),
        (Method::PUT, "/team/a"),
        (Method::DELETE, "/team/none"),
        (Method::GET, "/team?policy"),
        (Method::GET, "/other/a"),
        (Method::GET, "/other?list-type=2"),
    ];
    let (read, list, write, delete) = (&["s3:GetObject"], &["s3:ListBucket"], &["s3:PutObject"], &["s3:DeleteObject"]);
    let cases: [(Option<Value>, &[usize]); 6] = [
        (None, &[]),
        (Some(allow(read, "team/*")), &[0, 1]),
        (Some(allow(list, "team")), &[2]),
        (Some(allow(write, "team/new")), &[3]),
        (Some(allow(delete, "team/*")), &[5]),
        // even everything does not have the policy itself, nor what is no object
        (Some(allow(&["s3:*"], "team/*")), &[0, 1, 3, 4, 5]),
    ];
    for (policy, open) in cases {
        if let Some(policy) = &policy {
            store.put(policy).await.expect_status(204);
        }
        for (number, (method, path)) in all.iter().enumerate() {
            let status = store.anonymous(method.clone(), path).await;
            assert_eq!(status < 300, open.contains(&number), "{method} {path} {status} {policy:?}");
            assert!(status < 300 || status == 403, "{method} {path} {status} {policy:?}");
        }
        for path in ["manifests/v1", &format!("manifests/{digest}"), &format!("manifests/{reference}"), "tags/list"] {
            store.nobody.get(&format!("/v2/team/{path}")).await.expect_status(401);
        }
        sent(store.admin.request(Method::PUT, "/team/a", "").body("text")).await.expect_status(200);
        sent(store.admin.request(Method::DELETE, "/team/new", "")).await.expect_status(204);
    }
    // names of buckets: those that one may list
    store.put(&allow(&["s3:ListBucket"], "team")).await.expect_status(204);
    let listed = sent(store.nobody.call(Method::GET, "/s3/")).await.expect_status(200);
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(text.contains("<Name>team</Name>") && !text.contains("other"), "{text}");
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/").await, 403, "to read is not to list");
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
}

#[tokio::test]
async fn a_deny_wins_but_not_over_the_admins_key() {
    let store = Store::new().await;
    let everything =
        json!({"id": "all", "resource": "*", "actions": ["*"], "principals": [format!("key:{}", READER.0)]});
    let policies = store.client().call(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&everything)).await.expect_status(201);
    let of_reader = async |method, path: &str, query: &str| sent(store.reader.request(method, path, query)).await;
    of_reader(Method::GET, "/team/a", "").await.expect_status(200);
    of_reader(Method::DELETE, "/team", "policy=").await.expect_status(204);
    let deny = |resource: &str| statement("Deny", "*", &["s3:*"], resource);
    store.put(&json!({"Statement": [deny("team"), deny("team/dir/*")]})).await.expect_status(204);
    of_reader(Method::GET, "/team/a", "").await.expect_status(200);
    refused(of_reader(Method::GET, "/team/dir/b", "").await, 403, "AccessDenied");
    refused(of_reader(Method::GET, "/team", "list-type=2").await, 403, "AccessDenied");
    refused(of_reader(Method::DELETE, "/team", "policy=").await, 403, "AccessDenied");
    // the repository of that name is not the bucket
    let reader = store.app.reader();
    reader.push_image("team/app", "v1").await;
    sent(store.admin.request(Method::GET, "/team/dir/b", "")).await.expect_status(200);
    sent(store.admin.request(Method::DELETE, "/team", "policy=")).await.expect_status(204);
    of_reader(Method::GET, "/team/dir/b", "").await.expect_status(200);
    // and the other way: what the REST API denies no bucket's policy allows
    let closed = json!({"id": "closed", "resource": "object:team/a", "actions": ["read"], "effect": "deny", "principals": ["anonymous"]});
    let policies = store.client().call(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&closed)).await.expect_status(201);
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403);
    assert_eq!(store.anonymous(Method::GET, "/team/dir/b").await, 200);
    let named = json!({"id": "bucket:1", "resource": "*", "actions": ["read"]});
    let policies = store.client().call(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&named)).await.expect_status(400);
    let question = json!({"userId": "anonymous", "resource": "object:team/dir/b", "action": "read"});
    let asked = store.client().call(Method::POST, "/api/v1/rbac/authorize").json(&question);
    let decision = sent(asked).await.expect_status(200).json();
    assert_eq!((&decision["allowed"], &decision["policyId"]), (&json!(true), &json!("bucket:team/0")), "{decision}");
}

#[tokio::test]
async fn conditions_decide() {
    let store = Store::new().await;
    let with = |mut policy: Value, condition: Value| {
        policy["Statement"][0]["Condition"] = condition;
        policy
    };
    let read = allow(&["s3:GetObject"], "team/*");
    for (condition, status) in [
        (json!({"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1"]}}), 200),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), 403),
        (json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), 200),
        (json!({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}), 403),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), 403),
        (json!({"Bool": {"aws:SecureTransport": "false"}}), 200),
        (json!({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}), 403),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}), 200),
    ] {
        store.put(&with(read.clone(), condition.clone())).await.expect_status(204);
        assert_eq!(store.anonymous(Method::GET, "/team/a").await, status, "{condition}");
    }
    let list = allow(&["s3:ListBucket", "s3:ListBucketVersions"], "team");
    let below = with(list, json!({"StringLike": {"s3:prefix": ["dir/*", "open"]}}));
    store.put(&below).await.expect_status(204);
    for (query, status) in [
        ("list-type=2&prefix=dir/", 200),
        ("list-type=2&prefix=open", 200),
        ("prefix=dir/b&delimiter=/", 200),
        ("versions&prefix=dir/", 200),
        ("list-type=2", 403),
        ("list-type=2&prefix=", 403),
        ("list-type=2&prefix=di", 403),
        ("prefix=openly", 403),
        ("versions", 403),
        ("uploads&prefix=dir/", 403),
        ("location", 403),
    ] {
        assert_eq!(store.anonymous(Method::GET, &format!("/team?{query}")).await, status, "{query}");
    }
    let in_json = async |query: &str| {
        let request = store.nobody.call(Method::GET, &format!("/s3/team?{query}"));
        sent(request.header("accept", "application/json")).await.status.as_u16()
    };
    assert_eq!((in_json("prefix=dir/").await, in_json("prefix=other").await), (200, 403));
}

#[tokio::test]
async fn each_action_is_asked_for_by_its_name() {
    let store = Store::new().await;
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    sent(store.admin.request(Method::PUT, "/team", "versioning=").body(enable)).await.expect_status(200);
    let put = sent(store.admin.request(Method::PUT, "/team/a", "").body("new")).await.expect_status(200);
    let version = put.header("x-amz-version-id").to_owned();
    let asks = [
        ("s3:GetObject", "team/*", Method::GET, "/team/a".to_owned()),
        ("s3:GetObjectVersion", "team/*", Method::GET, format!("/team/a?versionId={version}")),
        ("s3:GetObjectTagging", "team/*", Method::GET, "/team/a?tagging".to_owned()),
        ("s3:GetObjectAcl", "team/*", Method::GET, "/team/a?acl".to_owned()),
        ("s3:ListBucket", "team", Method::GET, "/team?list-type=2".to_owned()),
        ("s3:ListBucketVersions", "team", Method::GET, "/team?versions".to_owned()),
        ("s3:ListBucketMultipartUploads", "team", Method::GET, "/team?uploads".to_owned()),
        ("s3:GetBucketLocation", "team", Method::GET, "/team?location".to_owned()),
        ("s3:GetBucketVersioning", "team", Method::GET, "/team?versioning".to_owned()),
        ("s3:PutObject", "team/*", Method::PUT, "/team/new".to_owned()),
        ("s3:DeleteObjectTagging", "team/*", Method::DELETE, "/team/dir/b?tagging".to_owned()),
        ("s3:DeleteObject", "team/*", Method::DELETE, "/team/none".to_owned()),
        ("s3:DeleteObjectVersion", "team/*", Method::DELETE, "/team/none?versionId=none".to_owned()),
    ];
    for (action, resource, ..) in &asks {
        store.put(&allow(&[action], resource)).await.expect_status(204);
        for (other, _, method, path) in &asks {
            let status = store.anonymous(method.clone(), path).await;
            assert_eq!(status < 300, action == other, "{method} {path} {status} by {action}");
        }
    }
    let many = "<Delete><Object><Key>x</Key></Object></Delete>";
    store.put(&allow(&["s3:DeleteObject"], "team/*")).await.expect_status(204);
    let deleted = sent(store.nobody.call(Method::POST, "/s3/team?delete").body(many)).await.expect_status(200);
    assert!(String::from_utf8_lossy(&deleted.body).contains("<Deleted>"), "{deleted}");
}

#[tokio::test]
async fn each_flag_of_the_public_access_block_counts() {
    let store = Store::new().await;
    let public = allow(&["s3:GetObject"], "team/*");
    store.put(&public).await.expect_status(204);
    let acl = async |acl: &str| {
        // by Basic: a header of this kind would have to be signed
        let request = store.client().call(Method::PUT, "/s3/team/acl").header("x-amz-acl", acl);
        sent(request.body("text")).await.status.as_u16()
    };
    let granted = async || {
        let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
        let request = store.client().call(Method::POST, "/s3/team/acl?uploads");
        sent(request.header("x-amz-grant-read", everybody)).await.status.as_u16()
    };
    let shown = async || {
        let block = sent(store.admin.request(Method::GET, "/team", "publicAccessBlock=")).await.expect_status(200);
        String::from_utf8_lossy(&block.body).into_owned()
    };
    // an ACL that grants something is not supported; a blocked one is denied
    assert_eq!((acl("public-read").await, granted().await), (400, 400));

    store.block("BlockPublicAcls").await.expect_status(200);
    assert_eq!((acl("public-read").await, acl("authenticated-read").await, granted().await), (403, 403, 403));
    assert_eq!((acl("private").await, acl("bucket-owner-full-control").await), (200, 200));
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
    assert!(shown().await.contains("<BlockPublicAcls>true</BlockPublicAcls>"), "{}", shown().await);

    store.block("IgnorePublicAcls").await.expect_status(200);
    let text = shown().await;
    assert!(text.contains("<IgnorePublicAcls>true") && text.contains("<BlockPublicAcls>false"), "{text}");
    assert_eq!((acl("public-read").await, store.anonymous(Method::GET, "/team/a").await), (400, 200));

    store.block("BlockPublicPolicy").await.expect_status(200);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200, "what was there stays in force");
    refused(store.put(&public).await, 403, "AccessDenied");
    let mut narrow = public.clone();
    narrow["Statement"][0]["Condition"] = json!({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}});
    store.put(&narrow).await.expect_status(204);
    sent(store.admin.request(Method::DELETE, "/team", "publicAccessBlock=")).await.expect_status(204);
    store.put(&public).await.expect_status(204);

    // whatever else makes something of the namespace public
    store.client().push_image("team/app", "v1").await;
    let open = json!({"id": "open", "resource": "team/*", "actions": ["read"], "principals": ["anonymous"]});
    let policies = store.client().call(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&open)).await.expect_status(201);
    store.nobody.get("/v2/team/app/manifests/v1").await.expect_status(200);
    store.block("RestrictPublicBuckets").await.expect_status(200);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403);
    store.nobody.get("/v2/team/app/manifests/v1").await.expect_status(401);
    sent(store.reader.request(Method::GET, "/team/a", "")).await.expect_status(200);
    store.put(&public).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403, "it may be said, and has no effect");
    store.put(&narrow).await.expect_status(204);
    store.client().delete("/api/v1/rbac/policies/open").await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200, "a network is not the public");
    store.put(&public).await.expect_status(204);
    sent(store.admin.request(Method::DELETE, "/team", "publicAccessBlock=")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
}
