//! A bucket on the S3 server of the tests, made and listed by requests that are signed here (signature version 4, header form).

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::backend::variable;

const REGION: &str = "us-east-1";

/// A bucket of its own for one test.
#[derive(Clone)]
pub struct Bucket {
    endpoint: String,
    access_key: String,
    secret_key: String,
    name: String,
}

impl Bucket {
    /// Creates a bucket at `ZOT_TEST_S3_ENDPOINT`.
    pub async fn create() -> Self {
        let bucket = Self {
            endpoint: variable("ZOT_TEST_S3_ENDPOINT").trim_end_matches('/').to_owned(),
            access_key: variable("ZOT_TEST_S3_ACCESS_KEY"),
            secret_key: variable("ZOT_TEST_S3_SECRET_KEY"),
            name: format!("zot-test-{}", Uuid::new_v4().simple()),
        };
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
        &self.endpoint
    }

    /// Access key of the bucket's owner.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret that belongs to it.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
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

    /// Temporary keys that may do these actions alone, in this bucket.
    pub async fn keys_that_may(&self, actions: &[&str]) -> TemporaryKeys {
        let bucket = format!("arn:aws:s3:::{}", self.name);
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": actions, "Resource": [&bucket, format!("{bucket}/*")] }
        ] });
        let form = [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("Policy", &policy.to_string())];
        let form = reqwest::Url::parse_with_params("http://form", form).expect("a form").query().map(str::to_owned);
        let body = form.expect("a query");
        let request = self.signed(Method::POST, "/", "", &Signed { service: "sts", body: Some(&body) });
        let response = request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await;
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
        let request = self.signed(method, &path, query, &Signed { service: "s3", body: None });
        request.body(body).send().await.expect("the S3 server answers")
    }

    fn signed(&self, method: Method, path: &str, query: &str, signed: &Signed<'_>) -> RequestBuilder {
        let host = self.endpoint.split_once("://").expect("ZOT_TEST_S3_ENDPOINT is a URL").1;
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let payload = signed.payload();
        let headers = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n{headers}\n\
             {payload}"
        );
        let authorization = self.authorization(signed.service, &canonical, headers, &time);
        reqwest::Client::new()
            .request(method, format!("{}{path}?{query}", self.endpoint))
            .header("x-amz-date", time)
            .header("x-amz-content-sha256", payload)
            .header("authorization", authorization)
    }

    fn authorization(&self, service: &str, canonical: &str, headers: &str, time: &str) -> String {
        let date = &time[..8];
        let scope = format!("{date}/{REGION}/{service}/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [date, REGION, service, "aws4_request", &to_sign] {
            key = hmac(&key, part);
        }
        let mut value = format!("AWS4-HMAC-SHA256 Credential={}/{scope}", self.access_key);
        write!(value, ", SignedHeaders={headers}, Signature={}", hex::encode(key)).expect("writing to a string");
        value
    }
}

/// Keys that end by themselves.
pub struct TemporaryKeys {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// What must come with each request.
    pub session_token: String,
}

/// What is signed beside the request line.
struct Signed<'a> {
    service: &'a str,
    /// None: a body that is not signed.
    body: Option<&'a str>,
}

impl Signed<'_> {
    fn payload(&self) -> String {
        self.body.map_or_else(|| "UNSIGNED-PAYLOAD".to_owned(), |body| hex::encode(Sha256::digest(body)))
    }
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
