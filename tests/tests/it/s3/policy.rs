//! Bucket policies and public access blocks, from outside: they are stored, only some callers may change them, and they are
//! deleted with the bucket. `policy/decided.rs` tests their decisions.

mod decided;

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
    it_ends_with_its_bucket,
    malformed_ones_are_refused_and_named,
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
