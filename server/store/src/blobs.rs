//! Blobs become members of repositories, by a push or by mounting.

use async_trait::async_trait;
use zot_domain::ports::metadata::{CommitBlob, MountBlob};

use crate::content::{BlobIds, Membership, to_i64};
use crate::error::TxError;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    END_UPLOAD = "DELETE FROM upload WHERE id = $1 AND epoch = $2 AND length = $3 AND state = 'open'";
    SELECT_MEMBER = "SELECT n.blob, b.size FROM blob_name n JOIN blob b ON b.id = n.blob
        JOIN repo_blob rb ON rb.blob = n.blob JOIN repository r ON r.id = rb.repo
        WHERE n.digest = $1 AND r.name = $2 AND b.state <> 'quarantined' AND rb.manifest_only = 0";
    SELECT_MEMBER_ANYWHERE = "SELECT n.blob, b.size FROM blob_name n JOIN blob b ON b.id = n.blob
        WHERE n.digest = $1 AND b.state <> 'quarantined'
            AND EXISTS (SELECT 1 FROM repo_blob rb WHERE rb.blob = n.blob AND rb.manifest_only = 0)";
}

#[async_trait]
impl Write for CommitBlob {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let upload = self.upload.as_ref();
        if let Some(upload) = upload {
            let end = tx.query(&END_UPLOAD).bind(upload.id.clone()).bind(upload.epoch).bind(to_i64(upload.offset)?);
            if tx.execute(end).await? == 0 {
                // another request continued the session: these bytes are dead
                tx.mark_dead(&self.content, None).await?;
                return Ok(false);
            }
        }
        let ids = tx.ensure_repository(&self.repository, self.rights, &self.audit.actor).await?;
        let blob = tx.ensure_blob(&self.content, upload.map(|u| u.id.as_str())).await?;
        tx.ensure_member(ids, blob, Membership::Blob).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}

#[async_trait]
impl Write for MountBlob {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let select = match &self.from {
            Some(from) => tx.query(&SELECT_MEMBER).bind(self.digest.to_string()).bind(from.to_string()),
            None => tx.query(&SELECT_MEMBER_ANYWHERE).bind(self.digest.to_string()),
        };
        let Some(blob) = tx.optional::<BlobIds>(select).await? else { return Ok(false) };
        if !tx.touch_blob(blob.blob).await? {
            return Ok(false);
        }
        let ids = tx.ensure_repository(&self.repository, self.rights, &self.audit.actor).await?;
        tx.ensure_member(ids, blob, Membership::Blob).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}
