//! Sealing: an open blob gets its digest, or its objects move onto the blob that has it already (rule A9).

use async_trait::async_trait;
use sqlx::Row as _;
use zot_core::digest::Digest;
use zot_core::render::Rendering;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::objects::OpenBlob;

use crate::content::{HEAL_BLOB, INSERT_BLOB_NAME, SELECT_BLOB_BY_NAME};
use crate::error::TxError;
use crate::pool::Store;
use crate::reads::{segment_of, to_u64};
use crate::sql::statements;
use crate::tx::{Tx, Write, read_error};

statements! {
    SELECT_OLDEST_OPEN = "SELECT id FROM blob WHERE state = 'open' ORDER BY id LIMIT 1";
    SELECT_OPEN_SEGMENTS = "SELECT b.size, s.key, s.start, s.size, s.sha256 FROM blob b
        JOIN segment s ON s.blob = b.id AND s.state = 'live' WHERE b.id = $1 AND b.state = 'open' ORDER BY s.start";
    SEAL_BLOB = "UPDATE blob SET state = 'sealed', touched_at = now_us(), sealed_at = now_us() WHERE id = $1 AND state = 'open'";
    MERGE_BLOB = "UPDATE blob SET merged_into = $2 WHERE id = $1";
    /// These bytes were just read and are whole; those of the blob that has their digest were not.
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
        let query = self.reading(&SELECT_OLDEST_OPEN).await;
        match query.fetch_optional(&self.pool).await.map_err(read_error)? {
            Some(row) => self.read_open_blob(row.try_get(0).map_err(read_error)?).await,
            None => Ok(None),
        }
    }

    pub(super) async fn read_open_blob(&self, blob: i64) -> Result<Option<OpenBlob>> {
        let query = self.reading(&SELECT_OPEN_SEGMENTS).await.bind(blob);
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        let read = || -> Result<Option<OpenBlob>, TxError> {
            let Some(first) = rows.first() else { return Ok(None) };
            let segments = rows.iter().map(|row| segment_of(row, 1)).collect::<Result<_, _>>()?;
            Ok(Some(OpenBlob { blob, size: to_u64(first.try_get(0)?)?, segments }))
        };
        read().map_err(Into::into)
    }
}

/// Names a blob.
pub(super) struct Seal {
    pub blob: i64,
    pub digest: Digest,
}

#[async_trait]
impl Write for Seal {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let mut blob = self.blob;
        if tx.execute(tx.query(&SEAL_BLOB).bind(self.blob)).await? == 1 {
            let name = tx.query(&INSERT_BLOB_NAME).bind(self.digest.to_string()).bind(self.blob);
            if tx.execute(name).await? == 0 {
                blob = self.merge(tx).await?;
            }
        }
        tx.name_versions(blob, self.digest.as_str()).await
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        // sealing a sealed blob changes nothing
        Ok(None)
    }
}

impl Seal {
    /// Moves the objects onto the blob that has the digest. A copy that was made meanwhile still points here, and is
    /// led there by `merged_into`.
    async fn merge(&self, tx: &mut Tx<'_>) -> Result<i64, TxError> {
        let find = tx.query(&SELECT_BLOB_BY_NAME).bind(self.digest.to_string());
        let row = tx.optional(find).await?.ok_or(zot_domain::Error::Conflict)?;
        let (winner, damaged): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
        if !tx.touch_blob(winner).await? {
            return Err(zot_domain::Error::Conflict.into());
        }
        if damaged == 1 {
            tx.heal_from(self.blob, winner).await?;
        }
        tx.execute(tx.query(&MERGE_BLOB).bind(self.blob).bind(winner)).await?;
        tx.repoint_versions(self.blob, winner).await?;
        tx.add_candidate("blob", &self.blob.to_string()).await?;
        Ok(winner)
    }
}

impl Tx<'_> {
    /// Puts the whole bytes of a merged blob in the place of the winner's, if those are damaged.
    pub(crate) async fn heal_from(&mut self, whole: i64, winner: i64) -> Result<(), TxError> {
        if self.optional(self.query(&SELECT_ANY_LIVE).bind(whole)).await?.is_some()
            && self.execute(self.query(&HEAL_BLOB).bind(winner)).await? == 1
        {
            self.drop_bytes(winner).await?;
            self.execute(self.query(&MOVE_SEGMENTS).bind(whole).bind(winner)).await?;
        }
        Ok(())
    }

    /// Moves the versions of a merged blob onto the one that has its digest.
    pub(crate) async fn repoint_versions(&mut self, from: i64, to: i64) -> Result<(), TxError> {
        self.execute(self.query(&REPOINT_VERSIONS).bind(from).bind(to)).await.map(drop)
    }

    /// Sets the manifest digest of the blob's versions that have none.
    pub(crate) async fn name_versions(&mut self, blob: i64, digest: &str) -> Result<(), TxError> {
        for row in self.all(self.query(&SELECT_UNNAMED_VERSIONS).bind(blob)).await? {
            let (ns, key, seq): (i64, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let content_type: String = row.try_get(3)?;
            let size = to_u64(row.try_get(4)?)?;
            let rendering =
                Rendering { digest, size, content_type: &content_type, key: &key, version: row.try_get(5)? };
            let manifest = rendering.manifest_digest().to_string();
            self.execute(self.query(&NAME_VERSION).bind(ns).bind(key.clone()).bind(seq).bind(manifest)).await?;
        }
        Ok(())
    }
}

/// Takes a damaged blob out of use.
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
