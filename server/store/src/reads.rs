//! Reads: one round trip each, and pages whose cost does not grow with their place in the list.

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zot_core::digest::Digest;
use zot_core::name::{Reference, RepositoryName};
use zot_domain::ports::metadata::{BlobContent, Content, Referrer, ReferrersQuery, Segment, StoredManifest, Totals};
use zot_domain::{Error, Result};

use crate::content::SELECT_REPOSITORY;
use crate::error::TxError;
use crate::own_repository::is_own;
use crate::pool::Store;
use crate::sql::statements;
use crate::tx::read_error;

statements! {
    SELECT_BLOB_CONTENT = "SELECT b.size, i.bytes, s.key, s.start, s.size, s.sha256
        FROM repository r JOIN blob_name n ON n.digest = $2 JOIN repo_blob rb ON rb.repo = r.id AND rb.blob = n.blob
        JOIN blob b ON b.id = n.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start";
    SELECT_MANIFEST_BY_DIGEST = "SELECT b.size, i.bytes, s.key, s.start, s.size, s.sha256, m.digest, m.media_type
        FROM repository r JOIN manifest m ON m.repo = r.id AND m.digest = $2
        JOIN blob b ON b.id = m.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start";
    SELECT_MANIFEST_BY_TAG = "SELECT b.size, i.bytes, s.key, s.start, s.size, s.sha256, m.digest, m.media_type
        FROM repository r JOIN tag t ON t.repo = r.id AND t.name = $2
        JOIN manifest m ON m.repo = r.id AND m.digest = t.digest
        JOIN blob b ON b.id = m.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE r.name = $1 AND b.state <> 'quarantined' ORDER BY s.start";
    /// A page of tags: one range of the primary key.
    SELECT_TAGS = "SELECT name FROM tag WHERE repo = (SELECT id FROM repository WHERE name = $1) AND name > $2
        ORDER BY name LIMIT $3";
    /// A page of the catalog: one range of the index on names.
    SELECT_REPOSITORIES = "SELECT name FROM repository WHERE name > $1 ORDER BY name LIMIT $2";
    /// By the subject in the manifest, and by the tag under which clients keep referrers at older registries.
    SELECT_REFERRERS = "SELECT m.created_at, m.digest, m.media_type, b.size, m.artifact_type, m.annotations
        FROM (SELECT digest FROM manifest
                WHERE repo = (SELECT id FROM repository WHERE name = $1) AND subject_digest = $2
            UNION SELECT c.child_digest FROM tag t JOIN manifest_child c ON c.repo = t.repo AND c.digest = t.digest
                WHERE t.repo = (SELECT id FROM repository WHERE name = $1) AND t.name = $3) AS found
        JOIN manifest m ON m.repo = (SELECT id FROM repository WHERE name = $1) AND m.digest = found.digest
        JOIN blob b ON b.id = m.blob
        WHERE ($4 = '' OR m.artifact_type = $4)
            AND (m.created_at > $5 OR (m.created_at = $5 AND m.digest > $6))
        ORDER BY m.created_at, m.digest LIMIT $7";
    SELECT_TOTALS = "SELECT (SELECT COUNT(*) FROM repository), (SELECT COUNT(*) FROM manifest),
        (SELECT COUNT(*) FROM blob), (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blob)";
}

impl Store {
    pub(crate) async fn read_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>> {
        if is_own(repository) {
            return self.read_own_blob(repository, digest).await;
        }
        let query = self.reading(&SELECT_BLOB_CONTENT).await.bind(repository.to_string()).bind(digest.to_string());
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        content_of(&rows).map_err(Error::from)
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
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        let Some(blob) = content_of(&rows).map_err(Error::from)? else {
            return match reference {
                Reference::Digest(digest) if is_own(repository) => self.read_object_manifest(repository, digest).await,
                _ => Ok(None),
            };
        };
        let text = |index: usize| rows[0].try_get::<String, _>(index).map_err(read_error);
        Ok(Some(StoredManifest { digest: text(6)?.parse()?, media_type: text(7)?, blob }))
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
        let query = self.reading(&SELECT_REPOSITORY).await.bind(repository.to_string());
        Ok(query.fetch_optional(&self.pool).await.map_err(read_error)?.map(|_| names))
    }

    pub(crate) async fn read_repositories(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.names(self.reading(&SELECT_REPOSITORIES).await.bind(after.to_owned()).bind(i64::from(limit))).await
    }

    async fn names(
        &self,
        query: sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<Vec<String>> {
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(read_error)
    }

    pub(crate) async fn read_referrers(&self, wanted: ReferrersQuery<'_>) -> Result<Vec<Referrer>> {
        let (created, digest) = wanted.after.unwrap_or_default();
        let query = self.reading(&SELECT_REFERRERS).await.bind(wanted.repository.to_string());
        let query = query.bind(wanted.subject.to_string()).bind(wanted.subject.fallback_tag());
        let query = query.bind(wanted.artifact_type.unwrap_or_default().to_owned()).bind(created).bind(digest);
        let rows = query.bind(i64::from(wanted.limit)).fetch_all(&self.pool).await.map_err(read_error)?;
        rows.iter().map(|row| referrer_of(row).map_err(Error::from)).collect()
    }

    pub(crate) async fn read_totals(&self) -> Result<Totals> {
        let row = self.reading(&SELECT_TOTALS).await.fetch_one(&self.pool).await.map_err(read_error)?;
        let count = |index: usize| -> Result<u64, TxError> { to_u64(row.try_get(index)?) };
        let totals = || -> Result<Totals, TxError> {
            Ok(Totals { repositories: count(0)?, manifests: count(1)?, blobs: count(2)?, bytes: count(3)? })
        };
        totals().map_err(Error::from)
    }
}

/// A blob out of the rows of its segments: no row, no blob.
pub(crate) fn content_of(rows: &[AnyRow]) -> Result<Option<BlobContent>, TxError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let size = to_u64(first.try_get(0)?)?;
    let content = match first.try_get::<Option<Vec<u8>>, _>(1)? {
        Some(bytes) => Content::Inline(Bytes::from(bytes)),
        None => Content::Segments(rows.iter().map(|row| segment_of(row, 2)).collect::<Result<_, _>>()?),
    };
    Ok(Some(BlobContent { size, content }))
}

/// A segment from four columns beginning at `column`.
pub(crate) fn segment_of(row: &AnyRow, column: usize) -> Result<Segment, TxError> {
    Ok(Segment {
        key: row.try_get::<String, _>(column)?.parse()?,
        start: to_u64(row.try_get(column + 1)?)?,
        size: to_u64(row.try_get(column + 2)?)?,
        sha256: row.try_get::<Option<String>, _>(column + 3)?.map(|digest| digest.parse()).transpose()?,
    })
}

fn referrer_of(row: &AnyRow) -> Result<Referrer, TxError> {
    Ok(Referrer {
        created: row.try_get(0)?,
        digest: row.try_get(1)?,
        media_type: row.try_get(2)?,
        size: to_u64(row.try_get(3)?)?,
        artifact_type: row.try_get(4)?,
        annotations: row.try_get(5)?,
    })
}

/// A size or offset out of a BIGINT.
pub(crate) fn to_u64(value: i64) -> Result<u64, TxError> {
    u64::try_from(value).map_err(|_| Error::Internal(format!("a row holds the negative size {value}")).into())
}
