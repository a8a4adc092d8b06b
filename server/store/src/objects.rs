//! The port `Objects`: each write is a value with its own transaction. One file each for buckets, objects, multipart
//! uploads and digesting.

mod buckets;
mod delete;
mod digest;
mod list;
mod multipart;
mod put;
mod read;

use std::collections::BTreeMap;

use async_trait::async_trait;
use zot_core::digest::Digest;
use zot_domain::ports::metadata::Audit;
use zot_domain::ports::objects::{
    BeginMultipart, Bucket, CompleteMultipart, ConfigureBucket, CreateBucket, DeleteObject, Deleted, Entry, ListQuery,
    Multipart, NULL_VERSION, ObjectVersion, Objects, OpenBlob, Part, Put, PutObject, VersionsQuery,
};
use zot_domain::{Error, ObjectError, Result};

use crate::pool::Store;
use crate::sql::Statement;

pub(crate) use multipart::DELETE_PARTS;

/// All statements of these files.
pub(crate) fn statements() -> impl Iterator<Item = &'static Statement> {
    [buckets::ALL, delete::ALL, list::ALL, multipart::ALL, put::ALL, read::ALL, digest::ALL]
        .into_iter()
        .flatten()
        .copied()
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(format!("a row holds malformed JSON: {error}")))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(format!("cannot store a value: {error}")))
}

#[async_trait]
impl Objects for Store {
    fn admit(&self) -> Result<()> {
        Store::admit(self)
    }

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>> {
        self.read_bucket(name).await
    }

    async fn buckets(&self, after: &str, limit: u32) -> Result<Vec<Bucket>> {
        self.read_buckets(after, limit).await
    }

    async fn create_bucket(&self, create: CreateBucket) -> Result<bool> {
        self.write(create).await
    }

    async fn configure_bucket(&self, configure: ConfigureBucket) -> Result<bool> {
        self.write(configure).await
    }

    async fn delete_bucket(&self, name: &str, audit: Audit) -> Result<bool, ObjectError> {
        self.write(buckets::DeleteBucket { name: name.to_owned(), audit }).await
    }

    async fn object(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Option<ObjectVersion>> {
        self.read_object(bucket, key, version_id).await
    }

    async fn put_object(&self, put: PutObject) -> Result<Put, ObjectError> {
        self.write(put).await
    }

    async fn delete_object(&self, delete: DeleteObject) -> Result<Deleted, ObjectError> {
        self.write(delete).await
    }

    async fn tag_object(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        tags: &BTreeMap<String, String>,
        audit: Audit,
    ) -> Result<bool> {
        let version_id = version_id.unwrap_or(NULL_VERSION).to_owned();
        let (bucket, key, tags) = (bucket.to_owned(), key.to_owned(), to_json(tags)?);
        self.write(put::TagObject { bucket, key, version_id, tags, audit }).await
    }

    async fn list(&self, query: ListQuery<'_>) -> Result<Vec<Entry>> {
        self.read_list(query).await
    }

    async fn list_versions(&self, query: VersionsQuery<'_>) -> Result<Vec<ObjectVersion>> {
        self.read_versions(query).await
    }

    async fn begin_multipart(&self, begin: BeginMultipart) -> Result<bool, ObjectError> {
        self.write(begin).await
    }

    async fn multipart(&self, bucket: &str, key: &str, id: &str) -> Result<Option<Multipart>> {
        self.read_multipart(bucket, key, id).await
    }

    async fn multipart_result(&self, bucket: &str, key: &str, id: &str) -> Result<Option<String>> {
        self.read_multipart_result(bucket, key, id).await
    }

    async fn multiparts(&self, bucket: &str, prefix: &str, after: (&str, &str), limit: u32) -> Result<Vec<Multipart>> {
        self.read_multiparts(bucket, prefix, after, limit).await
    }

    async fn add_part(&self, upload: &str, part: Part) -> Result<bool> {
        self.write(multipart::AddPart { upload: upload.to_owned(), part }).await
    }

    async fn parts(&self, upload: &str, after: i64, limit: u32) -> Result<Vec<Part>> {
        self.read_parts(upload, after, limit).await
    }

    async fn named_parts(&self, upload: &str, named: &[(i64, String)]) -> Result<Vec<Part>> {
        self.read_named_parts(upload, named).await
    }

    async fn complete_multipart(&self, complete: CompleteMultipart) -> Result<Option<Put>, ObjectError> {
        self.write(complete).await
    }

    async fn abort_multipart(&self, bucket: &str, key: &str, id: &str, audit: Audit) -> Result<bool> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.write(multipart::AbortMultipart { bucket, key, id, audit }).await
    }

    async fn oldest_open_blob(&self) -> Result<Option<OpenBlob>> {
        self.read_oldest_open_blob().await
    }

    async fn open_blob(&self, blob: i64) -> Result<Option<OpenBlob>> {
        self.read_open_blob(blob).await
    }

    async fn set_digest(&self, blob: i64, digest: &Digest) -> Result<()> {
        self.write(digest::SetDigest { blob, digest: digest.clone() }).await
    }

    async fn quarantine(&self, blob: i64) -> Result<()> {
        self.write(digest::Quarantine { blob }).await
    }
}
