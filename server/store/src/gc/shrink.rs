//! Giving room back: SQLite keeps the pages of what was deleted, for what comes. Postgres' autovacuum does that by itself.

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;

use crate::error::TxError;
use crate::pool::Store;
use crate::sql::Dialect;
use crate::tx::{Tx, Write, read_error};

/// So many pages in one go, between which others write.
const VACUUM: &str = "PRAGMA incremental_vacuum(512)";
/// Free pages that stay, so that a store at work does not take and give all the time: 4 MiB.
const PAGES_KEPT: i64 = 1024;

impl Store {
    pub(crate) async fn give_back(&self) -> Result<()> {
        if self.dialect != Dialect::Sqlite {
            return Ok(());
        }
        let mut before = i64::MAX;
        loop {
            let free = sqlx::query_scalar::<_, i64>("PRAGMA freelist_count").fetch_one(&self.pool).await;
            let free = free.map_err(read_error)?;
            // a database of an earlier version keeps them
            if free <= PAGES_KEPT || free >= before {
                break;
            }
            before = free;
            self.write(GiveBack).await?;
        }
        if before < i64::MAX {
            // the file gets shorter when the log is played into it
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await.map_err(read_error)?;
        }
        Ok(())
    }
}

struct GiveBack;

#[async_trait]
impl Write for GiveBack {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        // a row for each page
        tx.all::<()>(sqlx::query(VACUUM)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
