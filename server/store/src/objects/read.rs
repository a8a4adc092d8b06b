//! Reading one version of an object: one round trip, bytes or their places included.

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zot_domain::ports::metadata::Content;
use zot_domain::ports::objects::{Attributes, ObjectVersion};
use zot_domain::{Error, Result};

use super::from_json;
use crate::error::TxError;
use crate::pool::Store;
use crate::reads::{segment_of, to_u64};
use crate::sql::statements;
use crate::tx::read_error;

/// Columns of a version `v` with its head `h`, its resolved blob `b` and the blob's name `d`: [`version_of`] reads them.
macro_rules! version_columns {
    () => {
        "v.key, v.seq, v.version_id, CASE WHEN v.seq = h.seq THEN 1 ELSE 0 END, b.id, v.etag, v.size, v.content_type,
        v.headers, v.meta, v.tags, v.checksums, v.part_sizes, v.render_version, v.created_at, d.digest, COALESCE(b.sealed_at, v.created_at), b.state"
    };
}
/// From a version to its resolved blob and that one's digest.
macro_rules! version_blob {
    () => {
        "LEFT JOIN blob o ON o.id = v.blob LEFT JOIN blob b ON b.id = COALESCE(o.merged_into, o.id)
        LEFT JOIN blob_name d ON d.blob = b.id AND SUBSTR(d.digest, 1, 7) = 'sha256:'"
    };
}
pub(super) use {version_blob, version_columns};

statements! {
    SELECT_OBJECT = concat!("SELECT ", version_columns!(), ", i.bytes, s.key, s.start, s.size, s.sha256
        FROM namespace n JOIN object_head h ON h.ns = n.id AND h.key = $2
        JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.seq = h.seq ", version_blob!(), "
        LEFT JOIN blob_inline i ON i.blob = b.id LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE n.name = $1 ORDER BY s.start");
    SELECT_OBJECT_VERSION = concat!("SELECT ", version_columns!(), ", i.bytes, s.key, s.start, s.size, s.sha256
        FROM namespace n JOIN object_head h ON h.ns = n.id AND h.key = $2
        JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.version_id = $3 ", version_blob!(), "
        LEFT JOIN blob_inline i ON i.blob = b.id LEFT JOIN segment s ON s.blob = b.id AND s.state = 'live'
        WHERE n.name = $1 ORDER BY s.start");
}

/// Columns of [`version_columns`].
pub(super) const VERSION_COLUMNS: usize = 18;

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
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        object_of(&rows).map_err(Error::from)
    }
}

fn object_of(rows: &[AnyRow]) -> Result<Option<ObjectVersion>, TxError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut object = version_of(first)?;
    if object.delete_marker {
        return Ok(Some(object));
    }
    let state: Option<String> = first.try_get(VERSION_COLUMNS - 1)?;
    if state.as_deref() == Some("quarantined") {
        return Err(Error::Internal(format!("object {} is damaged: its blob is in quarantine", object.key)).into());
    }
    object.content = match first.try_get::<Option<Vec<u8>>, _>(VERSION_COLUMNS)? {
        Some(bytes) => Content::Inline(Bytes::from(bytes)),
        None => {
            let segments = rows.iter().map(|row| segment_of(row, VERSION_COLUMNS + 1));
            Content::Segments(segments.collect::<Result<_, _>>()?)
        }
    };
    Ok(Some(object))
}

/// A version, without its bytes.
pub(super) fn version_of(row: &AnyRow) -> Result<ObjectVersion, TxError> {
    let blob: Option<i64> = row.try_get(4)?;
    let text = |index: usize| row.try_get::<String, _>(index);
    let part_sizes: Option<String> = row.try_get(12)?;
    let digest: Option<String> = row.try_get(15)?;
    Ok(ObjectVersion {
        key: text(0)?,
        seq: row.try_get(1)?,
        version_id: text(2)?,
        latest: row.try_get::<i64, _>(3)? != 0,
        delete_marker: blob.is_none(),
        blob,
        etag: text(5)?,
        size: to_u64(row.try_get(6)?)?,
        attributes: Attributes {
            content_type: text(7)?,
            headers: from_json(&text(8)?)?,
            meta: from_json(&text(9)?)?,
            tags: from_json(&text(10)?)?,
        },
        checksums: from_json(&text(11)?)?,
        part_sizes: part_sizes.map(|sizes| from_json(&sizes)).transpose()?,
        render_version: row.try_get(13)?,
        created: row.try_get(14)?,
        digest: digest.map(|digest| digest.parse()).transpose()?,
        digested: row.try_get(16)?,
        content: Content::Inline(Bytes::new()),
    })
}
