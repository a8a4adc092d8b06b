//! Reads: one round trip each, and pages whose cost does not grow with their position in the list.

use sqlx::any::AnyRow;
use zot_core::digest::Digest;
use zot_core::name::{Reference, RepositoryName};
use zot_domain::Result;
use zot_domain::ports::metadata::{BlobContent, Content, Referrer, ReferrersQuery, Segment, StoredManifest, Totals};

use crate::content::SELECT_REPOSITORY;
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, rows, segment_columns};
use crate::sql::statements;
use crate::tx::Bound;

statements! {
    SELECT_BLOB_CONTENT = concat!("SELECT b.size, i.bytes, ", segment_columns!(), "
        FROM repository r JOIN blob_name n ON n.digest = $2
        JOIN repo_blob rb ON rb.repo = r.id AND rb.blob = n.blob AND rb.manifest_only = 0
        JOIN blob b ON b.id = n.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start");
    SELECT_MANIFEST_BY_DIGEST = concat!("SELECT b.size, i.bytes, ", segment_columns!(), ", m.digest, m.media_type
        FROM repository r JOIN manifest m ON m.repo = r.id AND m.digest = $2
        JOIN blob b ON b.id = m.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start");
    SELECT_MANIFEST_BY_TAG = concat!("SELECT b.size, i.bytes, ", segment_columns!(), ", m.digest, m.media_type
        FROM repository r JOIN tag t ON t.repo = r.id AND t.name = $2
        JOIN manifest m ON m.repo = r.id AND m.digest = t.digest
        JOIN blob b ON b.id = m.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start");
    /// A page of tags: one range of the primary key.
    SELECT_TAGS = "SELECT name FROM tag WHERE repo = (SELECT id FROM repository WHERE name = $1) AND name > $2
        ORDER BY name LIMIT $3";
    /// A page of the catalog: one range of the index on names.
    SELECT_REPOSITORIES = "SELECT name FROM repository WHERE name > $1 ORDER BY name LIMIT $2";
    /// Only the manifest itself says what it refers to: a tag such as `sha256-…` on an index proves nothing.
    SELECT_REFERRERS = "SELECT m.created_at AS created, m.digest, m.media_type, b.size, m.artifact_type, m.annotations
        FROM manifest m JOIN blob b ON b.id = m.blob
        WHERE m.repo = (SELECT id FROM repository WHERE name = $1) AND m.subject_digest = $2
            AND ($3 = '' OR m.artifact_type = $3)
            AND (m.created_at > $4 OR (m.created_at = $4 AND m.digest > $5))
        ORDER BY m.created_at, m.digest LIMIT $6";
    SELECT_TOTALS = "SELECT (SELECT COUNT(*) FROM repository) AS repositories, (SELECT COUNT(*) FROM manifest) AS manifests,
        (SELECT COUNT(*) FROM blob) AS blobs, (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blob) AS bytes";
}

impl Store {
    pub(crate) async fn read_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>> {
        if repository.is_bucket() {
            return self.read_own_blob(repository, digest).await;
        }
        let query = self.reading(&SELECT_BLOB_CONTENT).await.bind(repository.to_string()).bind(digest.to_string());
        Ok(content_of(self.all(query).await?))
    }

    pub(crate) async fn read_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<StoredManifest>> {
        let statement = match reference {
            Reference::Tag(_) => &SELECT_MANIFEST_BY_TAG,
            Reference::Digest(_) => &SELECT_MANIFEST_BY_DIGEST,
        };
        let query = self.reading(statement).await.bind(repository.to_string()).bind(reference.to_string());
        let rows: Vec<StoredManifest> = self.all(query).await?;
        let found = rows.into_iter().reduce(|mut manifest, row| {
            append(&mut manifest.blob.content, row.blob.content);
            manifest
        });
        match reference {
            Reference::Digest(digest) if found.is_none() && repository.is_bucket() => {
                self.read_object_manifest(repository, digest).await
            }
            Reference::Digest(_) | Reference::Tag(_) => Ok(found),
        }
    }

    pub(crate) async fn read_tags(
        &self,
        repository: &RepositoryName,
        after: &str,
        limit: u32,
    ) -> Result<Option<Vec<String>>> {
        let query = self.reading(&SELECT_TAGS).await.bind(repository.to_string()).bind(after.to_owned());
        let names = self.names(query.bind(i64::from(limit))).await?;
        if !names.is_empty() {
            return Ok(Some(names));
        }
        let found = self.optional(self.reading(&SELECT_REPOSITORY).await.bind(repository.to_string())).await?;
        Ok(found.map(|()| names))
    }

    pub(crate) async fn read_repositories(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.names(self.reading(&SELECT_REPOSITORIES).await.bind(after.to_owned()).bind(i64::from(limit))).await
    }

    async fn names(&self, query: Bound) -> Result<Vec<String>> {
        Ok(self.all(query).await?.into_iter().map(|(name,)| name).collect())
    }

    pub(crate) async fn read_referrers(&self, wanted: ReferrersQuery<'_>) -> Result<Vec<Referrer>> {
        let (created, digest) = wanted.after.unwrap_or_default();
        let query = self.reading(&SELECT_REFERRERS).await.bind(wanted.repository.to_string());
        let query = query.bind(wanted.subject.to_string());
        let query = query.bind(wanted.artifact_type.unwrap_or_default().to_owned()).bind(created).bind(digest);
        self.all(query.bind(i64::from(wanted.limit))).await
    }

    pub(crate) async fn read_totals(&self) -> Result<Totals> {
        self.one(self.reading(&SELECT_TOTALS).await).await
    }
}

rows! {
    Referrer { created, digest, media_type, size, artifact_type, annotations }
    Totals { repositories, manifests, blobs, bytes }
}

/// A blob with its bytes, or with one of its segments: [`content_of`] combines them.
impl Row for BlobContent {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self { size: column(row, "size")?, content: Content::read(row)? })
    }
}

impl Row for Content {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        match column(row, "bytes")? {
            Some(bytes) => Ok(Self::Inline(bytes)),
            None => Ok(Self::Segments(vec![Segment::read(row)?])),
        }
    }
}

impl Row for StoredManifest {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let (digest, media_type) = (column(row, "digest")?, column(row, "media_type")?);
        Ok(Self { digest, media_type, blob: BlobContent::read(row)? })
    }
}

/// Appends a row's segment to those of the previous rows.
pub(crate) fn append(content: &mut Content, row: Content) {
    if let (Content::Segments(segments), Content::Segments(more)) = (content, row) {
        segments.extend(more);
    }
}

/// A blob from the rows of its segments. None without rows.
pub(crate) fn content_of(rows: Vec<BlobContent>) -> Option<BlobContent> {
    rows.into_iter().reduce(|mut blob, row| {
        append(&mut blob.content, row.content);
        blob
    })
}
