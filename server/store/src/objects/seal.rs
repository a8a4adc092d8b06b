//! Sealing: an open blob gets its digest, or its objects move onto the blob that has it already (rule A9).

use async_trait::async_trait;
use sqlx::Row as _;
use zot_domain::Result;
use zot_domain::artifact::digest::Digest;
use zot_domain::bucket::render::Rendering;
use zot_domain::ports::objects::OpenBlob;

use crate::content::{INSERT_BLOB_NAME, SELECT_BLOB_BY_NAME};
use crate::error::TxError;
use crate::pool::Store;
use crate::reads::{segment_of, to_u64};
use crate::sql::statements;
use crate::tx::{Tx, Write, read_error};

statements! {
    TAKE_LEASE = "INSERT INTO lease (name, holder, until_at, fence) VALUES ('seal', $1, now_us() + $2 * 1000000, 1)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at, fence = lease.fence + 1
        WHERE lease.until_at < now_us() OR lease.holder = excluded.holder RETURNING fence";
    SELECT_OLDEST_OPEN = "SELECT id FROM blob WHERE state = 'open' ORDER BY id LIMIT 1";
    SELECT_OPEN_SEGMENTS = "SELECT b.size, s.key, s.start, s.size, s.sha256 FROM blob b
        JOIN segment s ON s.blob = b.id AND s.state = 'live' WHERE b.id = $1 AND b.state = 'open' ORDER BY s.start";
    SEAL_BLOB = "UPDATE blob SET state = 'sealed', touched_at = now_us(), sealed_at = now_us() WHERE id = $1 AND state = 'open'";
    MERGE_BLOB = "UPDATE blob SET merged_into = $2 WHERE id = $1";
    REPOINT_VERSIONS = "UPDATE object_version SET blob = $2 WHERE blob = $1";
    QUARANTINE_BLOB = "UPDATE blob SET state = 'quarantined' WHERE id = $1 AND state = 'open'";
    SELECT_UNNAMED_VERSIONS = "SELECT ns, key, seq, content_type, size, render_version FROM object_version
        WHERE blob = $1 AND manifest_digest IS NULL";
    NAME_VERSION = "UPDATE object_version SET manifest_digest = $4 WHERE ns = $1 AND key = $2 AND seq = $3";
}

impl Store {
    pub(super) async fn read_oldest_open_blob(&self) -> Result<Option<OpenBlob>> {
        let query = SELECT_OLDEST_OPEN.on(self.dialect);
        match query.fetch_optional(&self.pool).await.map_err(read_error)? {
            Some(row) => self.read_open_blob(row.try_get(0).map_err(read_error)?).await,
            None => Ok(None),
        }
    }

    pub(super) async fn read_open_blob(&self, blob: i64) -> Result<Option<OpenBlob>> {
        let query = SELECT_OPEN_SEGMENTS.on(self.dialect).bind(blob);
        let rows = query.fetch_all(&self.pool).await.map_err(read_error)?;
        let read = || -> Result<Option<OpenBlob>, TxError> {
            let Some(first) = rows.first() else { return Ok(None) };
            let segments = rows.iter().map(|row| segment_of(row, 1)).collect::<Result<_, _>>()?;
            Ok(Some(OpenBlob { blob, size: to_u64(first.try_get(0)?)?, segments }))
        };
        read().map_err(Into::into)
    }
}

/// Takes or renews the lease on sealing.
pub(super) struct TakeLease {
    pub holder: String,
    pub lease_secs: i64,
}

#[async_trait]
impl Write for TakeLease {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let take = tx.query(&TAKE_LEASE).bind(self.holder.clone()).bind(self.lease_secs);
        Ok(tx.number(take).await?.is_some())
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        // taking it once more does no harm
        Ok(None)
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
        for row in tx.all(tx.query(&SELECT_UNNAMED_VERSIONS).bind(blob)).await? {
            let (ns, key, seq): (i64, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let content_type: String = row.try_get(3)?;
            let rendering = Rendering {
                digest: self.digest.as_str(),
                size: to_u64(row.try_get(4)?)?,
                content_type: &content_type,
                key: &key,
                version: row.try_get(5)?,
            };
            let digest = rendering.manifest_digest().to_string();
            tx.execute(tx.query(&NAME_VERSION).bind(ns).bind(key.clone()).bind(seq).bind(digest)).await?;
        }
        Ok(())
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
        let winner = tx.number(find).await?.ok_or(zot_domain::Error::Conflict)?;
        if !tx.touch_blob(winner).await? {
            return Err(zot_domain::Error::Conflict.into());
        }
        tx.execute(tx.query(&MERGE_BLOB).bind(self.blob).bind(winner)).await?;
        tx.execute(tx.query(&REPOINT_VERSIONS).bind(self.blob).bind(winner)).await?;
        tx.add_candidate("blob", &self.blob.to_string()).await?;
        Ok(winner)
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
}
