//! Bucket policies and what must not be public, from outside: what everybody may do then and what not, who may say so, and
//! that it ends with the bucket.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::server::{ADMIN, READER, Server, Setup};
use zot_tests::signed::Signer;

crate::on_both_backends!(
    a_policy_is_kept_as_it_was_put,
    what_is_public_is_no_more_than_that,
    a_deny_wins_but_not_over_the_admins_key,
    conditions_decide,
    each_action_is_asked_for_by_its_name,
    it_ends_with_its_bucket,
    malformed_ones_are_refused_and_named,
    each_flag_of_the_public_access_block_counts,
    a_change_is_in_force_on_every_replica,
    a_store_that_takes_no_changes_keeps_them,
    one_that_cannot_be_read_any_more_closes_its_bucket_alone,
    changes_are_recorded,
);

/// A bucket `team` with `a` and `dir/b`, and who asks for them.
struct Store {
    server: Server,
    admin: Signer,
    reader: Signer,
    nobody: Client,
}

impl Store {
    async fn on(backend: Backend) -> Self {
        let server = Setup::on(&backend.fresh().await).with_access_control().start().await;
        let store = Self {
            admin: signer(&server, ADMIN.id, ADMIN.secret),
            reader: signer(&server, READER.id, READER.secret),
            nobody: server.client().with(None),
            server,
        };
        store.make().await;
        store
    }

    async fn make(&self) {
        sent(self.admin.request(Method::PUT, "/team", "")).await.expect_status(200);
        for key in ["a", "dir/b"] {
            sent(self.admin.request(Method::PUT, &format!("/team/{key}"), "").body("text")).await.expect_status(200);
        }
    }

    async fn put(&self, policy: &Value) -> Reply {
        self.put_text(&policy.to_string()).await
    }

    async fn put_text(&self, policy: &str) -> Reply {
        sent(self.admin.request(Method::PUT, "/team", "policy=").body(policy.to_owned())).await
    }

    async fn block(&self, flag: &str) -> Reply {
        let body = format!("<PublicAccessBlockConfiguration><{flag}>true</{flag}></PublicAccessBlockConfiguration>");
        sent(self.admin.request(Method::PUT, "/team", "publicAccessBlock=").body(body)).await
    }

    /// What nobody in particular is answered.
    async fn anonymous(&self, method: Method, path: &str) -> u16 {
        sent(self.nobody.request(method, &format!("/s3{path}")).body("")).await.status.as_u16()
    }
}

fn signer(server: &Server, access_key: &str, secret_key: &str) -> Signer {
    let endpoint = format!("http://{}/s3", server.address());
    Signer { endpoint, access_key: access_key.to_owned(), secret_key: secret_key.to_owned() }
}

async fn sent(request: RequestBuilder) -> Reply {
    Reply::to(request).await
}

/// Checks status and code of an error in XML.
#[track_caller]
fn refused(reply: Reply, status: u16, code: &str) -> Reply {
    let reply = reply.expect_status(status);
    assert!(String::from_utf8_lossy(&reply.body).contains(&format!("<Code>{code}</Code>")), "{reply}");
    reply
}

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement("Allow", "*", actions, resource)]})
}

fn statement(effect: &str, principal: &str, actions: &[&str], resource: &str) -> Value {
    let resource = format!("arn:aws:s3:::{resource}");
    json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": resource})
}

async fn a_policy_is_kept_as_it_was_put(backend: Backend) {
    let store = Store::on(backend).await;
    let ask = async |signer: &Signer, method, query: &str| sent(signer.request(method, "/team", query)).await;
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
        refused(sent(store.nobody.request(Method::GET, &format!("/s3/team?{query}"))).await, 403, "AccessDenied");
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
        let asked = |signer: &Signer, path: &str| signer.request(method.clone(), path, query).body(body.clone());
        refused(sent(asked(&store.reader, "/team")).await, 403, "AccessDenied");
        refused(sent(asked(&store.admin, "/absent")).await, 404, "NoSuchBucket");
    }
    ask(&store.admin, Method::DELETE, "policy=").await.expect_status(204);
    refused(ask(&store.admin, Method::GET, "policy=").await, 404, "NoSuchBucketPolicy");
}

async fn what_is_public_is_no_more_than_that(backend: Backend) {
    let store = Store::on(backend).await;
    sent(store.admin.request(Method::PUT, "/other", "")).await.expect_status(200);
    sent(store.admin.request(Method::PUT, "/other/a", "").body("text")).await.expect_status(200);
    let client = store.server.client();
    let digest = client.push_image("team", "v1", vec![1; 100]).await;
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
    let listed = sent(store.nobody.request(Method::GET, "/s3/")).await.expect_status(200);
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(text.contains("<Name>team</Name>") && !text.contains("other"), "{text}");
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/").await, 403, "to read is not to list");
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
}

async fn a_deny_wins_but_not_over_the_admins_key(backend: Backend) {
    let store = Store::on(backend).await;
    let everything =
        json!({"id": "all", "resource": "*", "actions": ["*"], "principals": [format!("key:{}", READER.id)]});
    let policies = store.server.client().request(Method::POST, "/api/v1/rbac/policies");
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
    let reader = store.server.client().with(Some(READER));
    reader.push_image("team/app", "v1", vec![1; 10]).await;
    sent(store.admin.request(Method::GET, "/team/dir/b", "")).await.expect_status(200);
    sent(store.admin.request(Method::DELETE, "/team", "policy=")).await.expect_status(204);
    of_reader(Method::GET, "/team/dir/b", "").await.expect_status(200);
    // and the other way: what the REST API denies no bucket's policy allows
    let closed = json!({"id": "closed", "resource": "object:team/a", "actions": ["read"], "effect": "deny", "principals": ["anonymous"]});
    let policies = store.server.client().request(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&closed)).await.expect_status(201);
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403);
    assert_eq!(store.anonymous(Method::GET, "/team/dir/b").await, 200);
    let named = json!({"id": "bucket:1", "resource": "*", "actions": ["read"]});
    let policies = store.server.client().request(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&named)).await.expect_status(400);
    let question = json!({"userId": "anonymous", "resource": "object:team/dir/b", "action": "read"});
    let asked = store.server.client().request(Method::POST, "/api/v1/rbac/authorize").json(&question);
    let decision = sent(asked).await.expect_status(200).json();
    assert_eq!((&decision["allowed"], &decision["policyId"]), (&json!(true), &json!("bucket:team/0")), "{decision}");
}

async fn conditions_decide(backend: Backend) {
    let store = Store::on(backend).await;
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
        let request = store.nobody.request(Method::GET, &format!("/s3/team?{query}"));
        sent(request.header("accept", "application/json")).await.status.as_u16()
    };
    assert_eq!((in_json("prefix=dir/").await, in_json("prefix=other").await), (200, 403));
}

async fn each_action_is_asked_for_by_its_name(backend: Backend) {
    let store = Store::on(backend).await;
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
    let deleted = sent(store.nobody.request(Method::POST, "/s3/team?delete").body(many)).await.expect_status(200);
    assert!(String::from_utf8_lossy(&deleted.body).contains("<Deleted>"), "{deleted}");
}

async fn it_ends_with_its_bucket(backend: Backend) {
    let store = Store::on(backend).await;
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

async fn malformed_ones_are_refused_and_named(backend: Backend) {
    let store = Store::on(backend).await;
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

async fn each_flag_of_the_public_access_block_counts(backend: Backend) {
    let store = Store::on(backend).await;
    let public = allow(&["s3:GetObject"], "team/*");
    store.put(&public).await.expect_status(204);
    let acl = async |acl: &str| {
        // by Basic: a header of this kind would have to be signed
        let request = store.server.client().request(Method::PUT, "/s3/team/acl").header("x-amz-acl", acl);
        sent(request.body("text")).await.status.as_u16()
    };
    let granted = async || {
        let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
        let request = store.server.client().request(Method::POST, "/s3/team/acl?uploads");
        sent(request.header("x-amz-grant-read", everybody)).await.status.as_u16()
    };
    let shown = async || {
        let block = sent(store.admin.request(Method::GET, "/team", "publicAccessBlock=")).await.expect_status(200);
        String::from_utf8_lossy(&block.body).into_owned()
    };
    assert_eq!((acl("public-read").await, granted().await), (200, 200));

    store.block("BlockPublicAcls").await.expect_status(200);
    assert_eq!((acl("public-read").await, acl("authenticated-read").await, granted().await), (403, 403, 403));
    assert_eq!((acl("private").await, acl("bucket-owner-full-control").await), (200, 200));
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
    assert!(shown().await.contains("<BlockPublicAcls>true</BlockPublicAcls>"), "{}", shown().await);

    store.block("IgnorePublicAcls").await.expect_status(200);
    let text = shown().await;
    assert!(text.contains("<IgnorePublicAcls>true") && text.contains("<BlockPublicAcls>false"), "{text}");
    assert_eq!((acl("public-read").await, store.anonymous(Method::GET, "/team/a").await), (200, 200));

    store.block("BlockPublicPolicy").await.expect_status(200);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200, "what was there stays in force");
    refused(store.put(&public).await, 403, "AccessDenied");
    let mut narrow = public.clone();
    narrow["Statement"][0]["Condition"] = json!({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}});
    store.put(&narrow).await.expect_status(204);
    sent(store.admin.request(Method::DELETE, "/team", "publicAccessBlock=")).await.expect_status(204);
    store.put(&public).await.expect_status(204);

    // whatever else makes something of the namespace public
    store.server.client().push_image("team/app", "v1", vec![1; 10]).await;
    let open = json!({"id": "open", "resource": "team/*", "actions": ["read"], "principals": ["anonymous"]});
    let policies = store.server.client().request(Method::POST, "/api/v1/rbac/policies");
    sent(policies.json(&open)).await.expect_status(201);
    store.nobody.get("/v2/team/app/manifests/v1").await.expect_status(200);
    store.block("RestrictPublicBuckets").await.expect_status(200);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403);
    store.nobody.get("/v2/team/app/manifests/v1").await.expect_status(401);
    sent(store.reader.request(Method::GET, "/team/a", "")).await.expect_status(200);
    store.put(&public).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 403, "it may be said, and has no effect");
    store.put(&narrow).await.expect_status(204);
    store.server.client().delete("/api/v1/rbac/policies/open").await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200, "a network is not the public");
    store.put(&public).await.expect_status(204);
    sent(store.admin.request(Method::DELETE, "/team", "publicAccessBlock=")).await.expect_status(204);
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
}

async fn a_change_is_in_force_on_every_replica(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let first = setup.start().await;
    let second = if backend == Backend::PostgresS3 { Some(setup.start().await) } else { None };
    let admin = signer(&first, ADMIN.id, ADMIN.secret);
    let store = Store { reader: admin.clone(), nobody: first.client().with(None), admin, server: first };
    store.make().await;
    let others: Vec<_> =
        [Some(&store.server), second.as_ref()].into_iter().flatten().map(|it| it.client().with(None)).collect();
    let wait = async |status: u16| {
        for nobody in &others {
            let begun = Instant::now();
            while nobody.get("/s3/team/a").await.status.as_u16() != status {
                assert!(begun.elapsed() < DEADLINE, "{status} was awaited");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    wait(403).await;
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    wait(200).await;
    store.block("RestrictPublicBuckets").await.expect_status(200);
    wait(403).await;
    sent(store.admin.request(Method::DELETE, "/team", "publicAccessBlock=")).await.expect_status(204);
    wait(200).await;
    // the bucket goes and comes again
    for key in ["/team/a", "/team/dir/b", "/team"] {
        sent(store.admin.request(Method::DELETE, key, "")).await.expect_status(204);
    }
    store.make().await;
    wait(403).await;
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    wait(200).await;
    // it is there after a start too
    let Store { server, .. } = store;
    drop((second, server));
    let again = setup.start().await;
    again.client().with(None).get("/s3/team/a").await.expect_status(200);
}

async fn a_store_that_takes_no_changes_keeps_them(backend: Backend) {
    let storage = backend.fresh().await;
    let setup = Setup::on(&storage).with_access_control();
    let first = setup.start().await;
    let admin = signer(&first, ADMIN.id, ADMIN.secret);
    let store = Store { reader: admin.clone(), nobody: first.client().with(None), admin, server: first };
    store.make().await;
    store.put(&allow(&["s3:*"], "team/*")).await.expect_status(204);
    drop(store);
    let server = setup.set("http.readOnly", true).start().await;
    let admin = signer(&server, ADMIN.id, ADMIN.secret);
    let store = Store { reader: admin.clone(), nobody: server.client().with(None), admin, server };
    refused(store.put(&allow(&["s3:GetObject"], "team/*")).await, 403, "AccessDenied");
    refused(store.block("BlockPublicPolicy").await, 403, "AccessDenied");
    for query in ["policy=", "publicAccessBlock="] {
        refused(sent(store.admin.request(Method::DELETE, "/team", query)).await, 403, "AccessDenied");
    }
    assert_eq!(store.anonymous(Method::GET, "/team/a").await, 200);
    assert_eq!(store.anonymous(Method::PUT, "/team/a").await, 403);
}

/// As after a version that accepted more, which this one does not understand.
async fn one_that_cannot_be_read_any_more_closes_its_bucket_alone(backend: Backend) {
    let storage = backend.fresh().await;
    let server = Setup::on(&storage).with_access_control().start().await;
    let (admin, reader) = (signer(&server, ADMIN.id, ADMIN.secret), signer(&server, READER.id, READER.secret));
    let store = Store { admin, reader, nobody: server.client().with(None), server };
    store.make().await;
    sent(store.admin.request(Method::PUT, "/other", "")).await.expect_status(200);
    sent(store.admin.request(Method::PUT, "/other/a", "").body("text")).await.expect_status(200);
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    storage.execute("UPDATE policy SET body = '{\"Statement\": [{\"NotYet\": 1}]}' WHERE ns IS NOT NULL").await;
    storage.execute("UPDATE auth_epoch SET epoch = epoch + 1").await;
    let begun = Instant::now();
    while store.anonymous(Method::GET, "/team/a").await != 403 {
        assert!(begun.elapsed() < DEADLINE, "it is still in force");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused(sent(store.reader.request(Method::GET, "/team/a", "")).await, 403, "AccessDenied");
    sent(store.reader.request(Method::GET, "/other/a", "")).await.expect_status(200);
    assert!(store.server.log().contains("bucket team is closed"), "{}", store.server.output());
    sent(store.admin.request(Method::GET, "/team", "policy=")).await.expect_status(200);
    sent(store.admin.request(Method::DELETE, "/team", "policy=")).await.expect_status(204);
    sent(store.reader.request(Method::GET, "/team/a", "")).await.expect_status(200);
}

async fn changes_are_recorded(backend: Backend) {
    let storage = backend.fresh().await;
    let server = Setup::on(&storage).with_access_control().start().await;
    let admin = signer(&server, ADMIN.id, ADMIN.secret);
    let store = Store { reader: admin.clone(), nobody: server.client().with(None), admin, server };
    store.make().await;
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(204);
    store.block("BlockPublicPolicy").await.expect_status(200);
    store.put(&allow(&["s3:GetObject"], "team/*")).await.expect_status(403);
    for query in ["policy=", "policy=", "publicAccessBlock="] {
        sent(store.admin.request(Method::DELETE, "/team", query)).await.expect_status(204);
    }
    let changes =
        "SELECT action || ' ' || resource || ' ' || actor FROM change WHERE action LIKE 'bucket.p%' ORDER BY at";
    let expected = ["policy.put", "publicaccess.put", "policy.delete", "publicaccess.delete"];
    let expected = expected.map(|it| format!("bucket.{it} bucket:team key:{}", ADMIN.id));
    assert_eq!(storage.column(changes).await, expected);
}
