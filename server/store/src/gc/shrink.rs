//! Returning unused space to the disk: SQLite keeps deleted pages for reuse. Postgres' autovacuum does this itself.

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;

use crate::error::TxError;
use crate::pool::Store;
use crate::sql::Dialect;
use crate::tx::{Tx, Write, read_error};

/// So many pages at once; other writes run in between.
const VACUUM: &str = "PRAGMA incremental_vacuum(512)";
/// Free pages that are kept, so that a busy store does not shrink and grow all the time: 4 MiB.
const PAGES_KEPT: i64 = 1024;

impl Store {
    pub(crate) async fn vacuum(&self) -> Result<()> {
        if self.dialect != Dialect::Sqlite {
            return Ok(());
        }
        let mut before = i64::MAX;
        loop {
            let free = sqlx::query_scalar::<_, i64>("PRAGMA freelist_count").fetch_one(&self.pool).await;
            let free = free.map_err(read_error)?;
            // a database of an earlier version cannot return pages
            if free <= PAGES_KEPT || free >= before {
                break;
            }
            before = free;
            self.write(Vacuum).await?;
        }
        if before < i64::MAX {
            // the checkpoint shortens the file
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await.map_err(read_error)?;
        }
        Ok(())
    }
}

struct Vacuum;

#[async_trait]
impl Write for Vacuum {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        // returns a row for each page
        tx.all::<()>(sqlx::query(VACUUM)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
