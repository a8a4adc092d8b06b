//! Reading one version of an object in one round trip, with its bytes or segments.

use bytes::Bytes;
use sqlx::any::AnyRow;
use zot_domain::ports::metadata::Content;
use zot_domain::ports::objects::{Attributes, ObjectVersion};
use zot_domain::{Error, Result};

use super::from_json;
use crate::error::TxError;
use crate::pool::Store;
use crate::reads::append;
use crate::row::{Row, column, json, segment_columns};
use crate::sql::statements;

/// Columns of a version `v` with its head `h`, its resolved blob `b` and the blob's digest `d`, for an
/// [`ObjectVersion`].
macro_rules! version_columns {
    () => {
        "v.key, v.seq, v.version_id, CASE WHEN v.seq = h.seq THEN 1 ELSE 0 END AS latest, b.id AS blob, v.etag, v.size,
        v.content_type, v.headers, v.meta, v.tags, v.checksums, v.part_sizes, v.render_version, v.created_at AS created,
        d.digest, COALESCE(b.sealed_at, v.created_at) AS sealed, b.state"
    };
}
/// From a version to its resolved blob and digest.
macro_rules! version_blob {
    () => {
        "LEFT JOIN blob o ON o.id = v.blob LEFT JOIN blob b ON b.id = COALESCE(o.merged_into, o.id)
        LEFT JOIN blob_name d ON d.blob = b.id AND SUBSTR(d.digest, 1, 7) = 'sha256:'"
    };
}
pub(super) use {version_blob, version_columns};

statements! {
    SELECT_OBJECT = concat!("SELECT ", version_columns!(), ", i.bytes, ", segment_columns!(), "
        FROM namespace n JOIN object_head h ON h.ns = n.id AND h.key = $2
        JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.seq = h.seq ", version_blob!(), "
        LEFT JOIN blob_inline i ON i.blob = b.id LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE n.name = $1 ORDER BY s.start");
    SELECT_OBJECT_VERSION = concat!("SELECT ", version_columns!(), ", i.bytes, ", segment_columns!(), "
        FROM namespace n JOIN object_head h ON h.ns = n.id AND h.key = $2
        JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.version_id = $3 ", version_blob!(), "
        LEFT JOIN blob_inline i ON i.blob = b.id LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE n.name = $1 ORDER BY s.start");
}

impl Store {
    pub(super) async fn read_object(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<ObjectVersion>> {
        let query = match version_id {
            None => self.reading(&SELECT_OBJECT).await.bind(bucket.to_owned()).bind(key.to_owned()),
            Some(version) => {
                let query = self.reading(&SELECT_OBJECT_VERSION).await.bind(bucket.to_owned()).bind(key.to_owned());
                query.bind(version.to_owned())
            }
        };
        let rows: Vec<Whole> = self.all(query).await?;
        let object = rows.into_iter().reduce(|mut object, row| {
            append(&mut object.0.content, row.0.content);
            object
        });
        Ok(object.map(|Whole(object)| object))
    }
}

/// A version with its bytes, or with one of its segments.
struct Whole(ObjectVersion);

impl Row for Whole {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let mut object = ObjectVersion::read(row)?;
        if object.delete_marker {
            return Ok(Self(object));
        }
        if column::<Option<String>>(row, "state")?.as_deref() == Some("quarantined") {
            return Err(Error::Internal(format!("object {} is damaged: its blob is in quarantine", object.key)).into());
        }
        object.content = Content::read(row)?;
        Ok(Self(object))
    }
}

/// A version without its bytes.
impl Row for ObjectVersion {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let blob: Option<i64> = column(row, "blob")?;
        let part_sizes: Option<String> = column(row, "part_sizes")?;
        Ok(Self {
            key: column(row, "key")?,
            seq: column(row, "seq")?,
            version_id: column(row, "version_id")?,
            latest: column(row, "latest")?,
            delete_marker: blob.is_none(),
            blob,
            etag: column(row, "etag")?,
            size: column(row, "size")?,
            attributes: Attributes {
                content_type: column(row, "content_type")?,
                headers: json(row, "headers")?,
                meta: json(row, "meta")?,
                tags: json(row, "tags")?,
            },
            checksums: json(row, "checksums")?,
            part_sizes: part_sizes.map(|sizes| from_json(&sizes)).transpose()?,
            render_version: column(row, "render_version")?,
            created: column(row, "created")?,
            digest: column(row, "digest")?,
            digested: column(row, "sealed")?,
            content: Content::Inline(Bytes::new()),
        })
    }
}
