//! `storage.*`: where blobs are kept. `database.rs` has where metadata is kept.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Secret, Span};

/// `storage`: where blobs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Storage {
    /// Directory of the embedded database and, without a storage driver, of the blobs.
    #[schemars(extend(
        "x-default" = "`$XDG_DATA_HOME/zot-artifact-store`, else `~/.local/share/zot-artifact-store`, else `./data`"
    ))]
    pub root_directory: PathBuf,
    /// Keep blobs in an object store instead of on local disk.
    pub storage_driver: Option<StorageDriver>,
    /// Collect garbage in the background.
    pub gc: bool,
    /// Garbage collection keeps what was referenced, pushed or mounted within this time; `1h` or more.
    pub gc_delay: Span,
    /// How often garbage collection runs. It runs on one replica at a time.
    pub gc_interval: Span,
    /// How long bytes stay in storage after their last reference; `24h` or more. Set it to the longest time for which you keep
    /// database backups: a restored backup needs the bytes that it references.
    pub gc_delete_delay: Span,
}

impl Default for Storage {
    /// This root directory is for an environment without a home directory; [`crate::load`] prefers the home directory.
    fn default() -> Self {
        Self {
            root_directory: PathBuf::from("./data"),
            storage_driver: None,
            gc: true,
            gc_delay: Span(Duration::from_hours(1)),
            gc_interval: Span(Duration::from_hours(1)),
            gc_delete_delay: Span(Duration::from_hours(24)),
        }
    }
}

/// `storage.storageDriver`: an object store for blobs. Which keys go with which of them: `load/driver.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageDriver {
    /// Kind of object store: `s3`, which is Amazon S3 or a server compatible with it, `gcs` or `azure`.
    pub name: DriverName,
    /// `s3`: region of the bucket. Falls back to `AWS_REGION`.
    #[schemars(extend("x-default" = "`us-east-1`"))]
    pub region: Option<String>,
    /// `s3` and `gcs`: bucket, which must exist. Falls back to `S3_BUCKET` or `GCS_BUCKET`.
    pub bucket: Option<String>,
    /// Server to use instead of the cloud's own: a URL, or `host:port` (see `secure`). For `azure` the URL of the account's blob
    /// service, such as `https://NAME.blob.core.usgovcloudapi.net`.
    pub endpoint: Option<String>,
    /// `s3`: access key ID. Falls back to `AWS_ACCESS_KEY_ID`; without keys the credentials of the pod or machine are used.
    #[serde(rename = "accesskey")]
    pub access_key: Option<String>,
    /// `s3`: secret access key. Falls back to `AWS_SECRET_ACCESS_KEY`.
    #[serde(rename = "secretkey")]
    pub secret_key: Option<Secret>,
    /// `gcs`: JSON file with a service account's key. Falls back to `GOOGLE_APPLICATION_CREDENTIALS`; without one the
    /// credentials of the user, pod or machine are used, and none at all with an `endpoint` of plain HTTP.
    pub keyfile: Option<PathBuf>,
    /// `azure`: storage account. Falls back to `AZURE_STORAGE_ACCOUNT_NAME`.
    #[serde(rename = "accountname")]
    pub account_name: Option<String>,
    /// `azure`: a key of the account. Falls back to `AZURE_STORAGE_ACCOUNT_KEY`; without one the credentials of the pod or
    /// machine are used, or a service principal's.
    #[serde(rename = "accountkey")]
    pub account_key: Option<Secret>,
    /// `azure`: container, which must exist. Falls back to `AZURE_STORAGE_CONTAINER`.
    pub container: Option<String>,
    /// Use HTTPS for an endpoint without a scheme; false means plain HTTP.
    #[schemars(extend("x-default" = "`true`"))]
    pub secure: Option<bool>,
    /// Accept any certificate of the endpoint. For tests only: TLS protects nothing then.
    #[serde(rename = "skipverify", default)]
    pub skip_verify: bool,
    /// Prefix of all keys in the bucket or container, so that several stores can share one.
    #[serde(rename = "rootdirectory")]
    pub root_directory: Option<String>,
    /// `s3`: address the bucket in the path (`host/bucket`) instead of the host name.
    #[serde(rename = "forcepathstyle")]
    #[schemars(extend("x-default" = "`true` when `endpoint` is set, else `false`"))]
    pub force_path_style: Option<bool>,
}

impl StorageDriver {
    pub fn named(name: DriverName) -> Self {
        Self {
            name,
            region: None,
            bucket: None,
            endpoint: None,
            access_key: None,
            secret_key: None,
            keyfile: None,
            account_name: None,
            account_key: None,
            container: None,
            secure: None,
            skip_verify: false,
            root_directory: None,
            force_path_style: None,
        }
    }

    /// The driver with its defaults.
    pub(crate) fn effective(&self) -> Self {
        let is_s3 = self.name == DriverName::S3;
        Self {
            region: self.region.clone().or_else(|| is_s3.then(|| self.effective_region().to_owned())),
            secure: Some(self.endpoint_url().is_none_or(|url| url.starts_with("https:"))),
            force_path_style: self.force_path_style.or_else(|| is_s3.then(|| self.path_style())),
            ..self.clone()
        }
    }

    /// The region, else the default of servers that are compatible with S3.
    pub fn effective_region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// The endpoint as a URL, with a scheme by `secure` if it has none. None means the cloud's own.
    pub fn endpoint_url(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?.trim_end_matches('/');
        if endpoint.contains("://") {
            return Some(endpoint.to_owned());
        }
        let scheme = if self.secure.unwrap_or(true) { "https" } else { "http" };
        Some(format!("{scheme}://{endpoint}"))
    }

    /// Whether the bucket is in the path: by default if an endpoint is set.
    pub fn path_style(&self) -> bool {
        self.force_path_style.unwrap_or(self.endpoint.is_some())
    }
}

/// The kinds of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriverName {
    /// Amazon S3 or a server compatible with it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}
