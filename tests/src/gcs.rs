//! A bucket on the tests' GCS emulator, which checks no credentials.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::backend::variable;

/// A bucket of its own for one test.
#[derive(Clone)]
pub struct Bucket {
    endpoint: String,
    name: String,
}

impl Bucket {
    /// Creates a bucket at `ZOT_TEST_GCS_ENDPOINT`.
    pub async fn create() -> Self {
        let endpoint = variable("ZOT_TEST_GCS_ENDPOINT").trim_end_matches('/').to_owned();
        let name = format!("zot-test-{}", Uuid::new_v4().simple());
        let create = reqwest::Client::new().post(format!("{endpoint}/storage/v1/b?project=tests"));
        let response = create.json(&json!({ "name": name })).send().await.expect("the GCS emulator answers");
        assert_eq!(response.status(), 200, "creating bucket {name}: {:?}", response.text().await);
        Self { endpoint, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the emulator.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The names of the objects in it.
    pub async fn keys(&self) -> Vec<String> {
        let url = format!("{}/storage/v1/b/{}/o", self.endpoint, self.name);
        let list: Value = reqwest::get(url).await.expect("the GCS emulator answers").json().await.expect("JSON");
        let names = list["items"].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str());
        names.map(str::to_owned).collect()
    }
}
