//! The port `Metadata`: reads are in `reads.rs`, each write is a value with its own transaction.

use async_trait::async_trait;
use zot_core::digest::Digest;
use zot_core::name::{Reference, RepositoryName};
use zot_domain::ports::metadata::{
    AppendUpload, BeginUpload, BlobContent, CommitBlob, Metadata, MountBlob, PublishManifest, Referrer, ReferrersQuery,
    Remove, Segment, StoredManifest, Totals, Upload,
};
use zot_domain::{ArtifactError, Error, Result};

use crate::error::OpenError;
use crate::pool::Store;
use crate::uploads::CancelUpload;

#[async_trait]
impl Metadata for Store {
    fn admit(&self) -> Result<()> {
        Store::admit(self)
    }

    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>> {
        self.read_blob(repository, digest).await
    }

    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<StoredManifest>> {
        self.read_manifest(repository, reference).await
    }

    async fn tags(&self, repository: &RepositoryName, after: &str, limit: u32) -> Result<Option<Vec<String>>> {
        self.read_tags(repository, after, limit).await
    }

    async fn repositories(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.read_repositories(after, limit).await
    }

    async fn referrers(&self, query: ReferrersQuery<'_>) -> Result<Vec<Referrer>> {
        self.read_referrers(query).await
    }

    async fn upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<Option<Upload>> {
        self.read_upload(id, repository, actor).await
    }

    async fn upload_segments(&self, id: &str) -> Result<Vec<Segment>> {
        self.read_upload_segments(id).await
    }

    async fn begin_upload(&self, upload: BeginUpload) -> Result<()> {
        self.write(upload).await
    }

    async fn append_upload(&self, append: AppendUpload) -> Result<bool> {
        self.write(append).await
    }

    async fn cancel_upload(&self, id: &str, repository: &RepositoryName, actor: &str) -> Result<bool> {
        let (id, target, actor) = (id.to_owned(), repository.to_string(), actor.to_owned());
        self.write(CancelUpload { id, target, actor }).await
    }

    async fn commit_blob(&self, commit: CommitBlob) -> Result<bool> {
        self.write(commit).await
    }

    async fn mount_blob(&self, mount: MountBlob) -> Result<bool> {
        self.write(mount).await
    }

    async fn publish_manifest(&self, publish: PublishManifest) -> Result<(), ArtifactError> {
        self.write(publish).await
    }

    async fn remove(&self, remove: Remove) -> Result<bool, ArtifactError> {
        self.write(remove).await
    }

    async fn totals(&self) -> Result<Totals> {
        self.read_totals().await
    }

    async fn probe(&self) -> Result<()> {
        self.check_schema().await.map_err(|error| match error {
            OpenError::Database(error) => crate::error::to_domain(error),
            other => Error::database(other),
        })
    }
}
