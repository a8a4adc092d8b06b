//! A bucket, and the callers who ask for what is in it.

use axum::http::Method;
use serde_json::{Value, json};
use zot_testing::app::{ADMIN, READER, S3_PATH, TestApp};
use zot_testing::client::{Call, Client};
use zot_testing::reply::Reply;

use crate::signer::Signer;

/// Signs requests with an access key.
pub(crate) struct Key {
    client: Client,
    key: (&'static str, &'static str),
}

impl Key {
    pub(crate) fn of(client: &Client, key: (&'static str, &'static str)) -> Self {
        Self { client: client.clone(), key }
    }

    /// A request below the API's path, with a body that is not signed. `path` and `query` need no escapes.
    pub(crate) fn request(&self, method: Method, path: &str, query: &str) -> Call {
        let mut request = self.signer(&method, path, query).sign("");
        *request.method_mut() = method;
        self.client.prepared(request)
    }

    pub(crate) fn presigned(&self, method: Method, path: &str, query: &str) -> Call {
        let mut request = self.signer(&method, path, query).presign("");
        *request.method_mut() = method;
        self.client.prepared(request)
    }

    pub(crate) fn signer(&self, method: &Method, path: &str, query: &str) -> Signer {
        let method = ["GET", "HEAD", "PUT", "POST", "DELETE"].into_iter().find(|name| *name == method.as_str());
        let time = zot_core::ambient::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Signer::new(method.unwrap(), &format!("{S3_PATH}{path}")).with(|signer| {
            (signer.access_key, signer.secret) = (self.key.0.to_owned(), self.key.1.to_owned());
            (signer.date, signer.time, signer.query) = (time[..8].to_owned(), time, pairs);
        })
    }
}

/// A bucket `team` with `a` and `dir/b`, and who asks for them.
pub(crate) struct Store {
    pub(crate) app: TestApp,
    pub(crate) admin: Key,
    pub(crate) reader: Key,
    pub(crate) nobody: Client,
}

impl Store {
    pub(crate) async fn new() -> Self {
        Self::on(TestApp::new().await).await
    }

    pub(crate) async fn on(app: TestApp) -> Self {
        let nobody = app.anonymous();
        let store = Self { admin: Key::of(&nobody, ADMIN), reader: Key::of(&nobody, READER), nobody, app };
        store.make().await;
        store
    }

    pub(crate) async fn make(&self) {
        sent(self.admin.request(Method::PUT, "/team", "")).await.expect_status(200);
        for key in ["a", "dir/b"] {
            sent(self.admin.request(Method::PUT, &format!("/team/{key}"), "").body("text")).await.expect_status(200);
        }
    }

    /// The admin, by Basic.
    pub(crate) fn client(&self) -> Client {
        self.app.admin()
    }

    pub(crate) async fn put(&self, policy: &Value) -> Reply {
        self.put_text(&policy.to_string()).await
    }

    pub(crate) async fn put_text(&self, policy: &str) -> Reply {
        sent(self.admin.request(Method::PUT, "/team", "policy=").body(policy.to_owned())).await
    }

    pub(crate) async fn block(&self, flag: &str) -> Reply {
        let body = format!("<PublicAccessBlockConfiguration><{flag}>true</{flag}></PublicAccessBlockConfiguration>");
        sent(self.admin.request(Method::PUT, "/team", "publicAccessBlock=").body(body)).await
    }

    /// The status of an anonymous request.
    pub(crate) async fn anonymous(&self, method: Method, path: &str) -> u16 {
        sent(self.nobody.call(method, &format!("{S3_PATH}{path}")).body("")).await.status.as_u16()
    }
}

pub(crate) async fn sent(call: Call) -> Reply {
    call.send().await
}

/// Checks status and code of an error in XML.
#[track_caller]
pub(crate) fn refused(reply: Reply, status: u16, code: &str) -> Reply {
    reply.expect_code(status, code)
}

pub(crate) fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement("Allow", "*", actions, resource)]})
}

pub(crate) fn statement(effect: &str, principal: &str, actions: &[&str], resource: &str) -> Value {
    let resource = format!("arn:aws:s3:::{resource}");
    json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": resource})
}
