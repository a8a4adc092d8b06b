//! A bucket on the S3 server of the tests, made and listed by signed requests.

use reqwest::{Method, Response};
use serde_json::json;
use uuid::Uuid;

use crate::backend::variable;
use crate::signed::Signer;

/// A bucket of its own for one test.
#[derive(Clone)]
pub struct Bucket {
    signer: Signer,
    name: String,
}

impl Bucket {
    /// Creates a bucket at `ZOT_TEST_S3_ENDPOINT`.
    pub async fn create() -> Self {
        let signer = Signer {
            endpoint: variable("ZOT_TEST_S3_ENDPOINT").trim_end_matches('/').to_owned(),
            access_key: variable("ZOT_TEST_S3_ACCESS_KEY"),
            secret_key: variable("ZOT_TEST_S3_SECRET_KEY"),
        };
        let bucket = Self { signer, name: format!("zot-test-{}", Uuid::new_v4().simple()) };
        let response = bucket.send(Method::PUT, "", "", Vec::new()).await;
        assert_eq!(response.status(), 200, "creating bucket {}: {:?}", bucket.name, response.text().await);
        bucket
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the S3 server.
    pub fn endpoint(&self) -> &str {
        &self.signer.endpoint
    }

    /// Access key of the bucket's owner.
    pub fn access_key(&self) -> &str {
        &self.signer.access_key
    }

    /// The secret that belongs to it.
    pub fn secret_key(&self) -> &str {
        &self.signer.secret_key
    }

    /// The first thousand keys in the bucket.
    pub async fn keys(&self) -> Vec<String> {
        let response = self.send(Method::GET, "", "list-type=2", Vec::new()).await;
        assert_eq!(response.status(), 200, "listing bucket {}", self.name);
        let body = response.text().await.expect("the listing");
        let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| key.to_owned()).collect()
    }

    /// Puts an object.
    pub async fn put(&self, key: &str, bytes: &[u8]) {
        let response = self.send(Method::PUT, &format!("/{key}"), "", bytes.to_vec()).await;
        assert_eq!(response.status(), 200, "putting {key}");
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) {
        let response = self.send(Method::DELETE, &format!("/{key}"), "", Vec::new()).await;
        assert_eq!(response.status(), 204, "deleting {key}");
    }

    /// Temporary keys that allow only these actions, in this bucket.
    pub async fn keys_that_may(&self, actions: &[&str]) -> TemporaryKeys {
        let bucket = format!("arn:aws:s3:::{}", self.name);
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": actions, "Resource": [&bucket, format!("{bucket}/*")] }
        ] });
        let form = [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("Policy", &policy.to_string())];
        let form = reqwest::Url::parse_with_params("http://form", form).expect("a form").query().map(str::to_owned);
        let body = form.expect("a query");
        let response = self.signer.action(&body).send().await;
        let text = response.expect("the S3 server answers").text().await.expect("keys");
        let field = |tag: &str| {
            let value = text.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once('<'));
            value.unwrap_or_else(|| panic!("no {tag} in {text}")).0.to_owned()
        };
        TemporaryKeys {
            access_key: field("AccessKeyId"),
            secret_key: field("SecretAccessKey"),
            session_token: field("SessionToken"),
        }
    }

    /// `path` needs no escapes.
    async fn send(&self, method: Method, path: &str, query: &str, body: Vec<u8>) -> Response {
        let path = format!("/{}{path}", self.name);
        self.signer.request(method, &path, query).body(body).send().await.expect("the S3 server answers")
    }
}

/// Keys that expire.
pub struct TemporaryKeys {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// The session token, sent with each request.
    pub session_token: String,
}
