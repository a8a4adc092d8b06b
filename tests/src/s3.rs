//! A bucket on the S3 server of the tests, made and listed by requests that are signed here (signature version 4, header form).

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, Response};
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

    /// `path` needs no escapes.
    async fn send(&self, method: Method, path: &str, query: &str, body: Vec<u8>) -> Response {
        let url = format!("{}/{}{path}?{query}", self.endpoint, self.name);
        let host = self.endpoint.split_once("://").expect("ZOT_TEST_S3_ENDPOINT is a URL").1;
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let request = reqwest::Client::new()
            .request(method.clone(), url)
            .header("x-amz-date", &time)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header("authorization", self.authorization(&method, path, query, host, &time))
            .body(body);
        request.send().await.expect("the S3 server answers")
    }

    fn authorization(&self, method: &Method, path: &str, query: &str, host: &str, time: &str) -> String {
        let headers = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n/{}{path}\n{query}\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{time}\n\n{headers}\n\
             UNSIGNED-PAYLOAD",
            self.name
        );
        let date = &time[..8];
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [date, REGION, "s3", "aws4_request", &to_sign] {
            key = hmac(&key, part);
        }
        let mut value = format!("AWS4-HMAC-SHA256 Credential={}/{scope}", self.access_key);
        write!(value, ", SignedHeaders={headers}, Signature={}", hex::encode(key)).expect("writing to a string");
        value
    }
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
