//! Google Cloud Storage, through its XML API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::{OpenError, below, client, retry};

/// A bucket of Google Cloud Storage. Without a key file the application default credentials of this user are taken, or
/// what the metadata server gives: workload identity on GKE, the service account of a machine.
#[derive(Clone, Debug)]
pub struct Gcs {
    /// The bucket, which must exist.
    pub bucket: String,
    /// JSON with the key of a service account, or the application default credentials of a user.
    pub key_file: Option<PathBuf>,
    /// Another endpoint than Google's, with its scheme: an emulator, or a private one.
    pub endpoint: Option<String>,
    /// Keys begin with this.
    pub prefix: Option<String>,
    /// Accept any certificate: for tests alone.
    pub skip_verify: bool,
}

impl Gcs {
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&self.bucket)
            .with_client_options(client(self.skip_verify))
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        builder = match &self.key_file {
            Some(file) => keyed(builder, file)?,
            // an emulator, which takes everybody; and no token may go over an open line (skipping the signature would not
            // do: object_store asks for a token with each write all the same)
            None if self.is_plain() => builder.with_bearer_token(""),
            None => builder,
        };
        Ok(below(self.prefix.as_deref(), builder.build()?))
    }

    fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:"))
    }
}

/// With what a key file holds. Google writes files of several kinds, which its own tools all take.
fn keyed(builder: GoogleCloudStorageBuilder, file: &Path) -> Result<GoogleCloudStorageBuilder, OpenError> {
    let problem = |problem: String| OpenError::KeyFile { path: file.to_owned(), problem };
    let text = std::fs::read_to_string(file)
        .map_err(|error| problem(format!("{error}; name the JSON file of a service account's key")))?;
    // the parser's own words could quote the key
    let content: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| problem("is not JSON; download the key of the service account as JSON".to_owned()))?;
    let name = file.to_string_lossy();
    match content["type"].as_str() {
        Some("authorized_user") => Ok(builder.with_application_credentials(name)),
        Some("service_account") | None => Ok(builder.with_service_account_path(name)),
        Some(other) => Err(problem(format!(
            "holds credentials of the kind {other}, which this store cannot use; take the key of a service account, or on \
             GKE workload identity, which needs no file"
        ))),
    }
}
