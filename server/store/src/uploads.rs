//! Upload sessions: a row that any replica may continue, but never two at once (rule A5).

use async_trait::async_trait;
use zot_core::name::RepositoryName;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::metadata::{AppendUpload, BeginUpload, Segment, Upload};
use zot_domain::{Error, Result};

use crate::content::{SELECT_SEGMENT, to_i64};
use crate::error::TxError;
use crate::pool::Store;
use crate::row::segment_columns;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    INSERT_UPLOAD = "INSERT INTO upload (id, kind, target, actor, state, epoch, length, hash_state, tail, expires_at)
        SELECT $1, 'oci', $2, $3, 'open', 0, 0, $4, $5, now_us() + $6 * 1000000
        WHERE (SELECT COUNT(*) FROM (SELECT 1 FROM upload WHERE actor = $3 AND state = 'open' AND expires_at > now_us()
            LIMIT $7) AS held) < $7";
    SELECT_UPLOAD = "SELECT epoch, length, hash_state, tail FROM upload
        WHERE id = $1 AND target = $2 AND actor = $3 AND kind = 'oci' AND state = 'open' AND expires_at > now_us()";
    SELECT_UPLOAD_SEGMENTS = concat!("SELECT ", segment_columns!(), " FROM segment s
        WHERE s.owner_upload = $1 AND s.state = 'staged' ORDER BY s.start");
    APPEND_UPLOAD = "UPDATE upload SET epoch = epoch + 1, length = $4, hash_state = $5, tail = $6, last_request = $7,
            expires_at = now_us() + $8 * 1000000
        WHERE id = $1 AND epoch = $2 AND length = $3 AND state = 'open'";
    /// Waits for concurrent writers of the session.
    LOCK_UPLOAD = "UPDATE upload SET epoch = epoch WHERE id = $1 RETURNING last_request";
    /// Waits for a transaction that creates the same session: if no row is inserted, it exists.
    CLAIM_UPLOAD_ID = "INSERT INTO upload (id, kind, target, actor, state, epoch, length, hash_state, tail, expires_at)
        VALUES ($1, 'oci', '', '', 'aborted', 0, 0, $2, $2, 0) ON CONFLICT (id) DO NOTHING";
    DELETE_UPLOAD = "DELETE FROM upload WHERE id = $1 AND target = $2 AND actor = $3 AND state = 'open'";
}

impl Store {
    pub(crate) async fn read_upload(&self, id: &str, target: &RepositoryName, actor: &str) -> Result<Option<Upload>> {
        let query =
            self.reading(&SELECT_UPLOAD).await.bind(id.to_owned()).bind(target.to_string()).bind(actor.to_owned());
        let found = self.optional(query).await?;
        Ok(found.map(|(epoch, offset, hash_state, tail)| Upload { id: id.to_owned(), epoch, offset, hash_state, tail }))
    }

    pub(crate) async fn read_upload_segments(&self, id: &str) -> Result<Vec<Segment>> {
        self.all(self.reading(&SELECT_UPLOAD_SEGMENTS).await.bind(id.to_owned())).await
    }
}

#[async_trait]
impl Write for BeginUpload {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let insert = tx.query(&INSERT_UPLOAD).bind(self.id.clone()).bind(self.repository.to_string());
        let insert = insert.bind(self.actor.clone()).bind(self.hash_state.clone()).bind(Vec::<u8>::new());
        if tx.execute(insert.bind(self.lifetime_secs).bind(self.open_max)).await? == 1 {
            return Ok(());
        }
        Err(Error::TooManyRequests(format!("{} uploads are open; finish or cancel some", self.open_max)).into())
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        let claim = tx.query(&CLAIM_UPLOAD_ID).bind(self.id.clone()).bind(Vec::<u8>::new());
        Ok((tx.execute(claim).await? == 0).then_some(()))
    }
}

#[async_trait]
impl Write for AppendUpload {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let set = tx.query(&APPEND_UPLOAD).bind(self.from.id.clone()).bind(self.from.epoch);
        let set = set.bind(to_i64(self.from.offset)?).bind(to_i64(self.offset)?).bind(self.hash_state.clone());
        let set = set.bind(self.tail.to_vec()).bind(self.request_id.to_string()).bind(self.lifetime_secs);
        let won = tx.execute(set).await? == 1;
        match &self.segment {
            Some(segment) if won => tx.insert_staged(&self.from.id, segment).await?,
            Some(segment) => tx.insert_dead(segment).await?,
            None => {}
        }
        Ok(won)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        let last = tx.optional::<(Option<String>,)>(tx.query(&LOCK_UPLOAD).bind(self.from.id.clone())).await?;
        if last.and_then(|(request,)| request) == Some(self.request_id.to_string()) {
            return Ok(Some(true));
        }
        // another request continued or ended the session: the chunk's segment shows which
        let Some(segment) = &self.segment else { return Ok(None) };
        let alive = tx.number(tx.query(&SELECT_SEGMENT).bind(segment.key.to_string())).await?;
        Ok((alive == Some(1)).then_some(true))
    }
}

pub(crate) struct CancelUpload {
    pub id: String,
    pub target: String,
    pub actor: String,
}

#[async_trait]
impl Write for CancelUpload {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let delete = tx.query(&DELETE_UPLOAD).bind(self.id.clone()).bind(self.target.clone()).bind(self.actor.clone());
        if tx.execute(delete).await? == 0 {
            return Ok(false);
        }
        tx.mark_session_dead(&self.id).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        let there = tx.exists(tx.query(&LOCK_UPLOAD).bind(self.id.clone())).await?;
        Ok((!there).then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
