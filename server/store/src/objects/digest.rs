//! Digesting: an open blob gets its digest, or its objects move to the blob that has the digest already (rule A9).

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_core::digest::Digest;
use zot_core::render::Rendering;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::metadata::Segment;
use zot_domain::ports::objects::OpenBlob;

use crate::content::{HEAL_BLOB, INSERT_BLOB_NAME, SELECT_BLOB_BY_NAME};
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, rows, segment_columns};
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_OLDEST_OPEN = "SELECT id FROM blob WHERE state = 'open' ORDER BY id LIMIT 1";
    SELECT_OPEN_SEGMENTS = concat!("SELECT b.id, b.size, ", segment_columns!(), " FROM blob b
        JOIN segment s ON s.blob = b.id AND s.state = 'live' WHERE b.id = $1 AND b.state = 'open' ORDER BY s.start");
    SET_DIGESTED = "UPDATE blob SET state = 'sealed', touched_at = now_us(), sealed_at = now_us() WHERE id = $1 AND state = 'open'";
    MERGE_BLOB = "UPDATE blob SET merged_into = $2 WHERE id = $1";
    /// These bytes were just read and are whole; the bytes of the other blob with their digest were damaged.
    MOVE_SEGMENTS = "UPDATE segment SET blob = $2 WHERE blob = $1 AND state = 'live'";
    SELECT_ANY_LIVE = "SELECT key FROM segment WHERE blob = $1 AND state = 'live' LIMIT 1";
    REPOINT_VERSIONS = "UPDATE object_version SET blob = $2 WHERE blob = $1";
    QUARANTINE_BLOB = "UPDATE blob SET state = 'quarantined' WHERE id = $1 AND state = 'open'";
    SELECT_UNNAMED_VERSIONS = "SELECT ns, key, seq, content_type, size, render_version FROM object_version
        WHERE blob = $1 AND manifest_digest IS NULL";
    NAME_VERSION = "UPDATE object_version SET manifest_digest = $4 WHERE ns = $1 AND key = $2 AND seq = $3";
}

impl Store {
    pub(super) async fn read_oldest_open_blob(&self) -> Result<Option<OpenBlob>> {
        match self.optional(self.reading(&SELECT_OLDEST_OPEN).await).await? {
            Some((blob,)) => self.read_open_blob(blob).await,
            None => Ok(None),
        }
    }

    pub(super) async fn read_open_blob(&self, blob: i64) -> Result<Option<OpenBlob>> {
        let rows: Vec<OpenBlob> = self.all(self.reading(&SELECT_OPEN_SEGMENTS).await.bind(blob)).await?;
        Ok(rows.into_iter().reduce(|mut open, row| {
            open.segments.extend(row.segments);
            open
        }))
    }
}

/// A blob with one of its segments.
impl Row for OpenBlob {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self { blob: column(row, "id")?, size: column(row, "size")?, segments: vec![Segment::read(row)?] })
    }
}

pub(super) struct SetDigest {
    pub blob: i64,
    pub digest: Digest,
}

#[async_trait]
impl Write for SetDigest {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let mut blob = self.blob;
        if tx.execute(tx.query(&SET_DIGESTED).bind(self.blob)).await? == 1 {
            let name = tx.query(&INSERT_BLOB_NAME).bind(self.digest.to_string()).bind(self.blob);
            if tx.execute(name).await? == 0 {
                blob = self.merge(tx).await?;
            }
        }
        tx.name_versions(blob, self.digest.as_str()).await
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        // a blob that is already digested stays as it is
        Ok(None)
    }
}

impl SetDigest {
    /// Moves the objects to the blob that has the digest. A concurrent copy still points here; `merged_into` leads to
    /// the other blob.
    async fn merge(&self, tx: &mut Tx<'_>) -> Result<i64, TxError> {
        let find = tx.query(&SELECT_BLOB_BY_NAME).bind(self.digest.to_string());
        let found: Option<(i64, i64, bool)> = tx.optional(find).await?;
        let (winner, _, damaged) = found.ok_or(zot_domain::Error::Conflict)?;
        if !tx.touch_blob(winner).await? {
            return Err(zot_domain::Error::Conflict.into());
        }
        if damaged {
            tx.heal_from(self.blob, winner).await?;
        }
        tx.execute(tx.query(&MERGE_BLOB).bind(self.blob).bind(winner)).await?;
        tx.repoint_versions(self.blob, winner).await?;
        tx.add_candidate("blob", &self.blob.to_string()).await?;
        Ok(winner)
    }
}

/// A version whose manifest was not rendered yet.
struct Unnamed {
    ns: i64,
    key: String,
    seq: i64,
    content_type: String,
    size: u64,
    render_version: i64,
}

rows! { Unnamed { ns, key, seq, content_type, size, render_version } }

impl Tx<'_> {
    /// Replaces the winner's damaged bytes by those of the merged blob.
    pub(crate) async fn heal_from(&mut self, whole: i64, winner: i64) -> Result<(), TxError> {
        if self.exists(self.query(&SELECT_ANY_LIVE).bind(whole)).await?
            && self.execute(self.query(&HEAL_BLOB).bind(winner)).await? == 1
        {
            self.drop_bytes(winner).await?;
            self.execute(self.query(&MOVE_SEGMENTS).bind(whole).bind(winner)).await?;
        }
        Ok(())
    }

    /// Moves the versions of a merged blob to the blob that has its digest.
    pub(crate) async fn repoint_versions(&mut self, from: i64, to: i64) -> Result<(), TxError> {
        self.execute(self.query(&REPOINT_VERSIONS).bind(from).bind(to)).await.map(drop)
    }

    /// Sets the manifest digest of the blob's versions that have none.
    pub(crate) async fn name_versions(&mut self, blob: i64, digest: &str) -> Result<(), TxError> {
        for it in self.all::<Unnamed>(self.query(&SELECT_UNNAMED_VERSIONS).bind(blob)).await? {
            let rendering = Rendering {
                digest,
                size: it.size,
                content_type: &it.content_type,
                key: &it.key,
                version: it.render_version,
            };
            let manifest = rendering.manifest_digest().to_string();
            self.execute(self.query(&NAME_VERSION).bind(it.ns).bind(it.key).bind(it.seq).bind(manifest)).await?;
        }
        Ok(())
    }
}

pub(super) struct Quarantine {
    pub blob: i64,
}

#[async_trait]
impl Write for Quarantine {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(tx.query(&QUARANTINE_BLOB).bind(self.blob)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
