//! Where bytes are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{CLASS, KEY, NAME, SIZE, rule};

/// Where bytes are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.type != 's3' || has(self.s3)", "storage.type s3 needs storage.s3 with bucket"),
    rule("self.type != 'gcs' || has(self.gcs)", "storage.type gcs needs storage.gcs with bucket"),
    rule("self.type != 'azure' || has(self.azure)", "storage.type azure needs storage.azure with accountName and container"),
    rule("(self.type == 's3' || !has(self.s3)) && (self.type == 'gcs' || !has(self.gcs)) && (self.type == 'azure' || !has(self.azure))", "storage.s3, storage.gcs and storage.azure are each for storage.type of that name: set that, or remove what is for another one"),
    rule("self.type == oldSelf.type", "storage.type cannot be changed: the artifacts are there; make another store and copy them"),
    rule("(has(self.storageClass) ? self.storageClass : '') == (has(oldSelf.storageClass) ? oldSelf.storageClass : '')", "storage.storageClass cannot be changed: the volume is of that class; make another store and copy the artifacts"),
    rule("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0", "storage.size cannot become smaller: volumes only grow"),
]))]
pub struct Storage {
    /// `filesystem` is a volume of one replica; the others are object stores, which any number of replicas share.
    pub r#type: StorageType,
    /// Size of the volume, with type `filesystem`. It may grow if the storage class lets it.
    #[schemars(regex(pattern = SIZE))]
    pub size: String,
    /// Storage class of the volume; by default the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CLASS), length(max = 253))]
    pub storage_class: Option<String>,
    /// Amazon S3, or a server compatible with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// Google Cloud Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
    /// Azure Blob Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// Whether what nothing references is removed, in the background.
    pub gc: bool,
    /// What was referenced, pushed or mounted this recently stays, such as `1h`, which is the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_delay: Option<String>,
    /// How often garbage collection looks, such as `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_interval: Option<String>,
    /// How long bytes stay that nothing needs any more, such as `24h`, which is the least: as long as backups of the database are
    /// kept.
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

/// A kind of storage.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// A volume.
    #[default]
    Filesystem,
    /// Amazon S3, or a server compatible with it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// A bucket of Amazon S3, or of a server compatible with it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The bucket, which must exist.
    #[schemars(length(min = 3))]
    pub bucket: String,
    /// The server, `host:port` or a URL; by default Amazon's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Region of the bucket.
    #[serde(default = "region")]
    pub region: String,
    /// Prefix of all keys, so that several stores can share a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Whether the bucket is addressed in the path instead of the host name; by default with an `endpoint` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// The Secret with an access key; without one the pods' own identity is used (serviceAccount.annotations).
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
    /// Its name, in the store's namespace.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
    /// Its key that has the access key's id.
    #[serde(default = "access_key")]
    #[schemars(regex(pattern = KEY), length(max = 253))]
    pub access_key_field: String,
    /// Its key that has the secret.
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
    /// The bucket, which must exist.
    #[schemars(length(min = 3))]
    pub bucket: String,
    /// The server, a URL; by default Google's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Prefix of all keys, so that several stores can share a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// The Secret with a service account's key, as `key.json`; without one the pods' own identity is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: Option<String>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Azure {
    /// The storage account.
    #[schemars(length(min = 3))]
    pub account_name: String,
    /// The container, which must exist.
    #[schemars(length(min = 3))]
    pub container: String,
    /// URL of the account's blob service; by default the public cloud's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Prefix of all keys, so that several stores can share a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// The Secret with a key of the account, as `account-key`; without one the pods' own identity is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub credentials_secret: Option<String>,
}
