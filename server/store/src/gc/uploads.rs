//! Expired uploads, and finished ones whose result is no longer kept.

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;

use crate::error::TxError;
use crate::objects::DELETE_PARTS;
use crate::pool::Store;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_EXPIRED = "SELECT id FROM upload WHERE expires_at < now_us() ORDER BY expires_at LIMIT $1";
    /// Checks again: a new chunk may have extended the expiry.
    EXPIRE_UPLOAD = "UPDATE upload SET state = 'aborted' WHERE id = $1 AND expires_at < now_us() RETURNING epoch";
    DELETE_EXPIRED = "DELETE FROM upload WHERE id = $1 AND state = 'aborted'";
}

impl Store {
    pub(crate) async fn read_expired_uploads(&self, limit: u32) -> Result<Vec<String>> {
        let query = SELECT_EXPIRED.on(self.dialect).bind(i64::from(limit));
        Ok(self.all(query).await?.into_iter().map(|(id,)| id).collect())
    }

    pub(crate) async fn end_expired_upload(&self, id: &str) -> Result<bool> {
        self.write(ExpireUpload { id: id.to_owned() }).await
    }
}

struct ExpireUpload {
    id: String,
}

#[async_trait]
impl Write for ExpireUpload {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        // locks the row: a new part or chunk is committed before this, or finds no upload
        if !tx.exists(tx.query(&EXPIRE_UPLOAD).bind(self.id.clone())).await? {
            return Ok(false);
        }
        tx.execute(tx.query(&DELETE_PARTS).bind(self.id.clone())).await?;
        tx.mark_session_dead(&self.id).await?;
        tx.execute(tx.query(&DELETE_EXPIRED).bind(self.id.clone())).await?;
        Ok(true)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
