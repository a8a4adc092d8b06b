//! The storage for blobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CLASS, KEY, NAME, SIZE, rule};

/// The storage for blobs.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.type != 's3' || has(self.s3)", "storage.type s3 needs storage.s3 with bucket"),
    rule("self.type != 'gcs' || has(self.gcs)", "storage.type gcs needs storage.gcs with bucket"),
    rule("self.type != 'azure' || has(self.azure)", "storage.type azure needs storage.azure with accountName and container"),
    rule("(self.type == 's3' || !has(self.s3)) && (self.type == 'gcs' || !has(self.gcs)) && (self.type == 'azure' || !has(self.azure))", "storage.s3, storage.gcs and storage.azure need the storage.type of the same name: set storage.type, or remove the other sections"),
    rule("self.type == oldSelf.type", "storage.type cannot be changed, because the artifacts would be lost: create another store and copy the artifacts"),
    rule("(has(self.storageClass) ? self.storageClass : '') == (has(oldSelf.storageClass) ? oldSelf.storageClass : '')", "storage.storageClass cannot be changed, because a volume keeps its class: create another store and copy the artifacts"),
    rule("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0", "storage.size cannot become smaller: volumes only grow"),
]))]
pub struct Storage {
    /// `filesystem`: a volume for one replica. `s3`, `gcs` and `azure`: object storage, which several replicas can share.
    pub r#type: StorageType,
    /// Size of the volume for `filesystem`. It can be increased if the storage class allows expansion.
    #[schemars(regex(pattern = SIZE))]
    pub size: String,
    /// Storage class of the volume. The default is the default class of the Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLASS), length(max = 253))]
    pub storage_class: Option<String>,
    /// Amazon S3, or a compatible server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// Google Cloud Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
    /// Azure Blob Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// Whether garbage collection deletes unreferenced blobs in the background.
    pub gc: bool,
    /// Minimum age of an unreferenced blob before garbage collection removes it, such as `2h`. The smallest value is `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_delay: Option<String>,
    /// Interval of garbage collection, such as `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_interval: Option<String>,
    /// How long the bytes of a removed blob stay in storage, such as `48h`. The smallest value is `24h`. Use at least the time
    /// for which you keep database backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_delete_delay: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            r#type: StorageType::Filesystem,
            size: "10Gi".to_owned(),
            storage_class: None,
            s3: None,
            gcs: None,
            azure: None,
            gc: true,
            gc_delay: None,
            gc_interval: None,
            gc_delete_delay: None,
        }
    }
}

/// A type of storage.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// A volume.
    #[default]
    Filesystem,
    /// Amazon S3, or a compatible server.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// A bucket of Amazon S3, or of a compatible server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// Name of the bucket. It must exist.
    #[schemars(length(min = 3))]
    pub bucket: String,
    /// The S3 server, `host:port` or a URL. The default is Amazon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region of the bucket.
    #[serde(default = "region")]
    pub region: String,
    /// Prefix of all keys. Several stores can share a bucket with different prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Whether the bucket name is part of the path instead of the host name. By default this is so if `endpoint` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// Secret with an access key. Without one, the servers use the identity of their pods (`serviceAccount.annotations`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_secret: Option<AccessKeySecret>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

/// A Secret with an access key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySecret {
    /// Name of the Secret, in the store's namespace.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
    /// Key in the Secret that holds the access key id.
    #[serde(default = "access_key")]
    #[schemars(regex(pattern = KEY), length(max = 253))]
    pub access_key_field: String,
    /// Key in the Secret that holds the secret access key.
    #[serde(default = "secret_key")]
    #[schemars(regex(pattern = KEY), length(max = 253))]
    pub secret_key_field: String,
}

fn access_key() -> String {
    "access-key".to_owned()
}

fn secret_key() -> String {
    "secret-key".to_owned()
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gcs {
    /// Name of the bucket. It must exist.
    #[schemars(length(min = 3))]
    pub bucket: String,
    /// URL of the server. The default is Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Prefix of all keys. Several stores can share a bucket with different prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Secret whose key `key.json` holds a service account key. Without one, the servers use the identity of their pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: Option<String>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Azure {
    /// Name of the storage account.
    #[schemars(length(min = 3))]
    pub account_name: String,
    /// Name of the container. It must exist.
    #[schemars(length(min = 3))]
    pub container: String,
    /// URL of the account's blob service. The default is the public Azure cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Prefix of all keys. Several stores can share a container with different prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Secret whose key `account-key` holds a key of the account. Without one, the servers use the identity of their pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: Option<String>,
}
