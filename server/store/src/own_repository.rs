//! The bucket's own repository: objects as the OCI API sees them. Its manifests are rendered, not stored. Its blobs are
//! those that the bucket's objects reference.

use bytes::Bytes;
use sqlx::any::AnyRow;
use zot_core::digest::Digest;
use zot_core::media_type::OCI_MANIFEST;
use zot_core::name::RepositoryName;
use zot_core::render::Rendering;
use zot_domain::Result;
use zot_domain::ports::metadata::{BlobContent, Content, StoredManifest};

use crate::content::FRESH_US;
use crate::error::TxError;
use crate::pool::Store;
use crate::reads::content_of;
use crate::row::{Row, column, segment_columns};
use crate::sql::{json_list, statements};
use crate::tx::Tx;

statements! {
    SELECT_OBJECT_MANIFEST = "SELECT v.key, v.content_type, v.size, v.render_version, d.digest
        FROM namespace n JOIN object_version v ON v.ns = n.id AND v.manifest_digest = $2
        JOIN blob o ON o.id = v.blob
        JOIN blob_name d ON d.blob = COALESCE(o.merged_into, o.id) AND SUBSTR(d.digest, 1, 7) = 'sha256:'
        WHERE n.name = $1 LIMIT 1";
    /// One statement: with two, a blob that changes from one kind of reference to the other could be missed.
    SELECT_OWN_BLOB = concat!("SELECT b.size, i.bytes, ", segment_columns!(), "
        FROM blob_name d JOIN blob b ON b.id = d.blob LEFT JOIN blob_inline i ON i.blob = b.id
        LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE d.digest = $2 AND b.state <> 'quarantined'
            AND (EXISTS (SELECT 1 FROM repo_blob rb JOIN repository r ON r.id = rb.repo
                WHERE r.name = $1 AND rb.blob = b.id AND rb.manifest_only = 0)
            OR EXISTS (SELECT 1 FROM object_version v JOIN namespace n ON n.id = v.ns
                WHERE n.name = $1 AND (v.blob = b.id OR v.blob IN (SELECT m.id FROM blob m WHERE m.merged_into = b.id))))
        ORDER BY s.start");
    /// Makes objects' blobs members, so that a manifest may reference them. Existing memberships are touched: garbage
    /// collection may be checking them.
    ADOPT_OBJECT_BLOBS = "INSERT INTO repo_blob (repo, blob, touched_at, adopted)
        SELECT CAST($1 AS BIGINT), d.blob, now_us(), 1 FROM json_list($3) AS wanted
        JOIN blob_name d ON d.digest = wanted.value JOIN object_version v ON v.ns = $2
            AND (v.blob = d.blob OR v.blob IN (SELECT m.id FROM blob m WHERE m.merged_into = d.blob))
        WHERE 1 = 1 GROUP BY d.blob ORDER BY d.blob ON CONFLICT (repo, blob) DO UPDATE SET touched_at = excluded.touched_at,
            manifest_only = 0
        WHERE repo_blob.touched_at < excluded.touched_at - $4 OR repo_blob.manifest_only = 1";
    /// A concurrent delete of the object waits, or this waits for it.
    LOCK_OBJECT = "UPDATE object_version SET manifest_digest = manifest_digest WHERE ns = $1 AND manifest_digest = $2";
    SELECT_IS_OBJECT = "SELECT v.seq FROM object_version v JOIN namespace n ON n.id = v.ns
        WHERE n.name = $1 AND v.manifest_digest = $2 LIMIT 1";
}

impl Store {
    /// The manifest of an object of the bucket.
    pub(crate) async fn read_object_manifest(
        &self,
        bucket: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>> {
        let query = self.reading(&SELECT_OBJECT_MANIFEST).await.bind(bucket.to_string()).bind(digest.to_string());
        let Some(Rendered(bytes)) = self.optional(query).await? else { return Ok(None) };
        let blob = BlobContent { size: bytes.len() as u64, content: Content::Inline(bytes) };
        Ok(Some(StoredManifest { digest: digest.clone(), media_type: OCI_MANIFEST.to_owned(), blob }))
    }

    /// A blob of the bucket's own repository: a member, or the bytes of an object.
    pub(crate) async fn read_own_blob(&self, bucket: &RepositoryName, digest: &Digest) -> Result<Option<BlobContent>> {
        let query = self.reading(&SELECT_OWN_BLOB).await.bind(bucket.to_string()).bind(digest.to_string());
        Ok(content_of(self.all(query).await?))
    }
}

/// The manifest of the object in a row.
struct Rendered(Bytes);

impl Row for Rendered {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let (key, content_type, digest): (String, String, String) =
            (column(row, "key")?, column(row, "content_type")?, column(row, "digest")?);
        let (size, version) = (column(row, "size")?, column(row, "render_version")?);
        let rendering = Rendering { digest: &digest, size, content_type: &content_type, key: &key, version };
        Ok(Self(rendering.bytes().into()))
    }
}

impl Tx<'_> {
    /// Makes blobs of the bucket's objects members of its own repository if a manifest references them.
    pub(crate) async fn adopt_object_blobs(&mut self, repo: i64, ns: i64, wanted: &[&Digest]) -> Result<(), TxError> {
        let adopt = self.query(&ADOPT_OBJECT_BLOBS).bind(repo).bind(ns).bind(json_list(wanted));
        self.execute(adopt.bind(FRESH_US)).await.map(drop)
    }

    /// Locks an object while its manifest is pushed: a later delete finds the manifest and deletes it too.
    pub(crate) async fn lock_object(&mut self, ns: i64, manifest: &Digest) -> Result<(), TxError> {
        self.execute(self.query(&LOCK_OBJECT).bind(ns).bind(manifest.to_string())).await.map(drop)
    }

    /// Whether a digest is the manifest of an object: it is deleted only with the object.
    pub(crate) async fn is_object(&mut self, bucket: &RepositoryName, digest: &Digest) -> Result<bool, TxError> {
        let select = self.query(&SELECT_IS_OBJECT).bind(bucket.to_string()).bind(digest.to_string());
        self.exists(select).await
    }
}
