//! Bucket policies and public access blocks on several replicas, and policies that cannot be read. All else about them is in
//! `server/s3/tests/it/policy.rs`.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use zot_tests::DEADLINE;
use zot_tests::backend::Backend;
use zot_tests::client::{Client, Reply};
use zot_tests::server::{ADMIN, READER, Server, Setup};
use zot_tests::signed::Signer;

crate::on_both_backends!(
    a_change_is_in_force_on_every_replica,
    one_that_cannot_be_read_any_more_closes_its_bucket_alone,
);

/// A bucket `team` with `a` and `dir/b`, and who asks for them.
struct Store {
    server: Server,
    admin: Signer,
    reader: Signer,
    nobody: Client,
}

impl Store {
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
