//! A container on the Azure emulator of the tests, made and listed by requests that are signed here (Shared Key).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, Response};
use sha2::Sha256;
use uuid::Uuid;

use crate::services::variable;

const VERSION: &str = "2021-12-02";

/// A container of its own for one test.
#[derive(Clone)]
pub struct Container {
    endpoint: String,
    account: String,
    key: String,
    name: String,
}

impl Container {
    /// Creates a container at `ZOT_TEST_AZURE_ENDPOINT`.
    pub async fn create() -> Self {
        let container = Self {
            endpoint: variable("ZOT_TEST_AZURE_ENDPOINT").trim_end_matches('/').to_owned(),
            account: variable("ZOT_TEST_AZURE_ACCOUNT"),
            key: variable("ZOT_TEST_AZURE_KEY"),
            name: format!("zot-test-{}", Uuid::new_v4().simple()),
        };
        let response = container.send(Method::PUT, &[("restype", "container")]).await;
        assert_eq!(response.status(), 201, "creating container {}: {:?}", container.name, response.text().await);
        container
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the account's blob service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// A key of the account.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The names of the first thousands of blobs in it.
    pub async fn keys(&self) -> Vec<String> {
        let response = self.send(Method::GET, &[("comp", "list"), ("restype", "container")]).await;
        assert_eq!(response.status(), 200, "listing container {}", self.name);
        let list = response.text().await.expect("a list");
        let names = list.split("<Name>").skip(1).filter_map(|rest| rest.split_once("</Name>"));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// Sends a request about the container; the query in the order of its names, as its signature has it.
    async fn send(&self, method: Method, query: &[(&str, &str)]) -> Response {
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let path = reqwest::Url::parse(&self.endpoint).expect("ZOT_TEST_AZURE_ENDPOINT is a URL").path().to_owned();
        let resource = format!("/{}{path}/{}", self.account, self.name);
        let about: String = query.iter().flat_map(|(name, value)| ["\n", name, ":", value]).collect();
        // eleven headers that are not sent, then those that are, then what the request is about
        let empty = "\n".repeat(11);
        let to_sign = format!("{method}{empty}\nx-ms-date:{date}\nx-ms-version:{VERSION}\n{resource}{about}");
        let key = BASE64_STANDARD.decode(&self.key).expect("ZOT_TEST_AZURE_KEY is Base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(to_sign.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = reqwest::Client::new()
            .request(method, format!("{}/{}?{}", self.endpoint, self.name, query.join("&")))
            .header("x-ms-date", date)
            .header("x-ms-version", VERSION)
            .header("content-length", 0)
            .header("authorization", format!("SharedKey {}:{signature}", self.account));
        request.send().await.expect("the Azure emulator answers")
    }
}
