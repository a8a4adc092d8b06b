//! The bytes that namespaces use: writers add rows to `usage_delta`, and one job folds them into `usage_total`. A
//! namespace's usage is its total and the sum of its unfolded rows.
//!
//! Rows are claimed by deleting them (rule B3 of `docs/STORE.md`): each row is folded once, also if two jobs run at
//! once; a row that is committed late is found later.

use std::collections::BTreeMap;

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;

use crate::error::TxError;
use crate::pool::Store;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    TAKE_DELTAS = "DELETE FROM usage_delta WHERE id IN (SELECT id FROM usage_delta ORDER BY id LIMIT $1) RETURNING ns, bytes";
    ADD_TO_TOTAL = "INSERT INTO usage_total (ns, bytes) VALUES ($1, $2)
        ON CONFLICT (ns) DO UPDATE SET bytes = usage_total.bytes + excluded.bytes";
}

impl Store {
    pub(crate) async fn write_folded_usage(&self, limit: u32) -> Result<u64> {
        self.write(FoldUsage { limit }).await
    }
}

struct FoldUsage {
    limit: u32,
}

#[async_trait]
impl Write for FoldUsage {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, TxError> {
        let taken: Vec<(i64, i64)> = tx.all(tx.query(&TAKE_DELTAS).bind(i64::from(self.limit))).await?;
        let mut sums = BTreeMap::<i64, i64>::new();
        for (ns, bytes) in &taken {
            *sums.entry(*ns).or_default() += bytes;
        }
        // in the order of namespaces, so that two folds never deadlock
        for (ns, bytes) in sums {
            tx.execute(tx.query(&ADD_TO_TOTAL).bind(ns).bind(bytes)).await?;
        }
        Ok(taken.len() as u64)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<u64>, TxError> {
        // folded rows are deleted: a repeated fold takes other rows
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
