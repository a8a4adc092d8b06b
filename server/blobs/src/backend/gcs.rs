//! Google Cloud Storage, through its XML API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::{OpenError, below, client, retry};

/// A bucket of Google Cloud Storage. Without a key file, the credentials are the user's application default credentials, or
/// those of the metadata server: workload identity on GKE, or the service account of a machine.
#[derive(Clone, Debug)]
pub struct Gcs {
    /// The bucket, which must exist.
    pub bucket: String,
    /// JSON with the key of a service account, or the application default credentials of a user.
    pub key_file: Option<PathBuf>,
    /// The endpoint with its scheme, if it is not Google's: an emulator, or a private one.
    pub endpoint: Option<String>,
    /// Prefix of all keys.
    pub prefix: Option<String>,
    /// Accept any certificate. For tests only.
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
            // an emulator accepts everybody, and no token may be sent without TLS (skipping the signature is not enough:
            // object_store still requests a token for each write)
            None if self.is_plain() => builder.with_bearer_token(""),
            None => builder,
        };
        Ok(below(self.prefix.as_deref(), builder.build()?))
    }

    fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:"))
    }
}

/// Adds the credentials of a key file. Google writes files of several kinds, and its own tools accept all of them.
fn keyed(builder: GoogleCloudStorageBuilder, file: &Path) -> Result<GoogleCloudStorageBuilder, OpenError> {
    let problem = |problem: String| OpenError::KeyFile { path: file.to_owned(), problem };
    let text = std::fs::read_to_string(file)
        .map_err(|error| problem(format!("{error}; name the JSON file of a service account's key")))?;
    // the parser's message could quote the key
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
