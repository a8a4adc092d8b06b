//! The port `Changes`: rows of the audit trail, and the roots of closed batches. `tx.rs` adds the rows of writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sqlx::any::AnyRow;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::audit::Record;
use zot_domain::ports::audit::{Change, Changes, Filter, Order, Place, Root};
use zot_domain::{Error, Result};

use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, rows};
use crate::sql::{Statement, json_list, statements};
use crate::tx::{Tx, Write, address};

/// The columns of a [`Change`].
macro_rules! changes {
    ($rest:literal) => {
        concat!(
            "SELECT request_id AS id, at, actor, action, resource, outcome, request, address, method, user_agent, reason, policy,
                details, sealed_seq AS batch FROM change ",
            $rest
        )
    };
}

/// A page of rows: by time, by actor or by resource. Each is an index range with one bound at each end: with two at one
/// end, the database may use the worse one.
macro_rules! page {
    ($which:literal, $bounds:literal, $order:literal) => {
        concat!(
            changes!(
                "WHERE ($1 = '' OR action = $1)
                    AND ($2 = '' OR CASE WHEN outcome = 'denied' THEN 'denied' ELSE 'allowed' END = $2) AND "
            ),
            $which,
            " AND ",
            $bounds,
            " ORDER BY at ",
            $order,
            ", request_id ",
            $order,
            " LIMIT $8"
        )
    };
}

macro_rules! newest {
    ($which:literal) => {
        page!($which, "at >= $5 AND (at, request_id) < ($6, $7)", "DESC")
    };
}

macro_rules! oldest {
    ($which:literal) => {
        page!($which, "at < $5 AND (at, request_id) > ($6, $7)", "ASC")
    };
}

/// The columns of a [`Root`].
macro_rules! roots {
    ($rest:literal) => {
        concat!(
            "SELECT seq, first, last, row_count, newest_at, root, prev, key_id, signature, dropped_at, drop_signature
                FROM audit_root ",
            $rest
        )
    };
}

statements! {
    /// One text with many rows: each is an object with the fields' names. Existing rows were committed before.
    APPEND_CHANGES = "INSERT INTO change (request_id, at, actor, action, resource, outcome, request, address, method,
            user_agent, reason, policy)
        SELECT json_text(item.value, '$.id'), now_us() - CAST(json_text(item.value, '$.age') AS BIGINT),
            json_text(item.value, '$.actor'), json_text(item.value, '$.action'), json_text(item.value, '$.resource'),
            json_text(item.value, '$.outcome'), json_text(item.value, '$.request'), json_text(item.value, '$.address'),
            json_text(item.value, '$.method'), json_text(item.value, '$.agent'), json_text(item.value, '$.reason'),
            json_text(item.value, '$.policy')
        FROM json_list($1) AS item WHERE 1 = 1 ON CONFLICT (request_id) DO NOTHING";

    SELECT_NEWEST = newest!("($3 = '' OR actor = $3) AND ($4 = '' OR resource = $4)");
    SELECT_NEWEST_OF_ACTOR = newest!("actor = $3 AND ($4 = '' OR resource = $4)");
    SELECT_NEWEST_OF_RESOURCE = newest!("resource = $4 AND ($3 = '' OR actor = $3)");
    SELECT_OLDEST = oldest!("($3 = '' OR actor = $3) AND ($4 = '' OR resource = $4)");
    SELECT_OLDEST_OF_ACTOR = oldest!("actor = $3 AND ($4 = '' OR resource = $4)");
    SELECT_OLDEST_OF_RESOURCE = oldest!("resource = $4 AND ($3 = '' OR actor = $3)");

    SELECT_UNBATCHED = changes!("WHERE sealed_seq IS NULL ORDER BY at LIMIT $1");
    SELECT_BATCH = changes!("WHERE sealed_seq = $1 ORDER BY request_id LIMIT $2");
    SELECT_LAST_ROOT = roots!("ORDER BY seq DESC LIMIT 1");
    SELECT_ROOTS = roots!("WHERE seq > $1 ORDER BY seq LIMIT $2");
    SELECT_OLDER_ROOTS = roots!("WHERE dropped_at IS NULL AND newest_at < now_us() - $1 AND seq > $2
        ORDER BY seq LIMIT $3");
    /// Waits for a transaction that inserts the same batch.
    INSERT_ROOT = "INSERT INTO audit_root (seq, first, last, row_count, newest_at, root, prev, key_id, signature)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (seq) DO NOTHING";
    SELECT_ROOT_HASH = "SELECT root FROM audit_root WHERE seq = $1";
    CLAIM_CHANGES = "UPDATE change SET sealed_seq = $1 WHERE sealed_seq IS NULL
        AND request_id IN (SELECT item.value FROM json_list($2) AS item)";
    MARK_DROPPED = "UPDATE audit_root SET dropped_at = now_us(), drop_signature = $2 WHERE seq = $1 AND dropped_at IS NULL";
    DROP_CHANGES = "DELETE FROM change WHERE sealed_seq = $1";
    SELECT_STRAYS = "SELECT DISTINCT c.sealed_seq FROM change c WHERE c.sealed_seq IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM audit_root r WHERE r.seq = c.sealed_seq AND r.dropped_at IS NULL)
        ORDER BY c.sealed_seq LIMIT $1";
}

#[async_trait]
impl Changes for Store {
    async fn append(&self, records: Vec<Arc<Record>>) -> Result<()> {
        self.write(Append(records)).await
    }

    async fn rows(&self, filter: &Filter, order: Order, after: Option<&Place>, limit: u32) -> Result<Vec<Change>> {
        let (far, near) = match order {
            // every key is greater than the empty one
            Order::NewestFirst => (filter.from, bound(filter.until, after, Ord::min)),
            Order::OldestFirst => (filter.until, bound(filter.from, after, Ord::max)),
        };
        let query = page_of(filter, order).on(self.dialect).bind(filter.action.clone()).bind(filter.outcome.clone());
        let query = query.bind(filter.actor.clone()).bind(filter.resource.clone()).bind(far);
        self.all(query.bind(near.0).bind(near.1).bind(i64::from(limit))).await
    }

    async fn unbatched(&self, limit: u32) -> Result<Vec<Change>> {
        self.all(SELECT_UNBATCHED.on(self.dialect).bind(i64::from(limit))).await
    }

    async fn last_root(&self) -> Result<Option<Root>> {
        self.optional(SELECT_LAST_ROOT.on(self.dialect)).await
    }

    async fn close_batch(&self, root: Root, keys: Vec<String>) -> Result<bool> {
        match self.write(CloseBatch { root, keys }).await {
            // another batch took its number, or a row
            Err(Error::Conflict) => Ok(false),
            done => done.map(|()| true),
        }
    }

    async fn roots_after(&self, seq: i64, limit: u32) -> Result<Vec<Root>> {
        self.all(SELECT_ROOTS.on(self.dialect).bind(seq).bind(i64::from(limit))).await
    }

    async fn batch(&self, seq: i64, limit: u32) -> Result<Vec<Change>> {
        self.all(SELECT_BATCH.on(self.dialect).bind(seq).bind(i64::from(limit))).await
    }

    async fn older_batches(&self, age: Duration, after: i64, limit: u32) -> Result<Vec<Root>> {
        let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX / 2);
        self.all(SELECT_OLDER_ROOTS.on(self.dialect).bind(micros).bind(after).bind(i64::from(limit))).await
    }

    async fn drop_batch(&self, seq: i64, signature: Vec<u8>) -> Result<()> {
        self.write(DropBatch { seq, signature }).await
    }

    async fn stray_batches(&self, limit: u32) -> Result<Vec<i64>> {
        let strays = self.all(SELECT_STRAYS.on(self.dialect).bind(i64::from(limit))).await?;
        Ok(strays.into_iter().map(|(batch,)| batch).collect())
    }
}

/// The statement with the most selective index.
fn page_of(filter: &Filter, order: Order) -> &'static Statement {
    match (order, filter.resource.is_empty(), filter.actor.is_empty()) {
        (Order::NewestFirst, false, _) => &SELECT_NEWEST_OF_RESOURCE,
        (Order::NewestFirst, true, false) => &SELECT_NEWEST_OF_ACTOR,
        (Order::NewestFirst, true, true) => &SELECT_NEWEST,
        (Order::OldestFirst, false, _) => &SELECT_OLDEST_OF_RESOURCE,
        (Order::OldestFirst, true, false) => &SELECT_OLDEST_OF_ACTOR,
        (Order::OldestFirst, true, true) => &SELECT_OLDEST,
    }
}

/// Where a page begins: at the end of the previous one, unless the filter is narrower.
fn bound(at: i64, after: Option<&Place>, narrower: fn(Place, Place) -> Place) -> Place {
    let own = (at, String::new());
    after.map_or(own.clone(), |after| narrower(own, after.clone()))
}

rows! {
    Change {
        id, at, actor, action, resource, outcome, request, address, method, user_agent, reason, policy, details, batch
    }
}

impl Row for Root {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let bytes = |name| Ok::<_, TxError>(column::<Option<Vec<u8>>>(row, name)?.unwrap_or_default());
        let dropped: Option<i64> = column(row, "dropped_at")?;
        Ok(Self {
            seq: column(row, "seq")?,
            first: column(row, "first")?,
            last: column(row, "last")?,
            rows: column(row, "row_count")?,
            newest: column(row, "newest_at")?,
            root: column(row, "root")?,
            prev: column(row, "prev")?,
            key_id: column(row, "key_id")?,
            signature: bytes("signature")?,
            dropped: dropped.map(|_| bytes("drop_signature")).transpose()?,
        })
    }
}

/// Adds records of reads and refusals.
struct Append(Vec<Arc<Record>>);

impl Append {
    /// The statement subtracts their ages from the present time.
    fn list(&self) -> String {
        let item = |it: &Arc<Record>| {
            json!({
                "id": it.id.to_string(), "age": u64::try_from(it.noted.elapsed().as_micros()).unwrap_or_default(),
                "actor": it.actor, "action": it.action.as_str(), "resource": it.resource, "outcome": it.outcome.as_str(),
                "request": it.request.to_string(), "address": address(it.address), "method": it.agent.method,
                "agent": it.agent.user_agent(), "reason": it.reason, "policy": it.policy.as_deref().unwrap_or_default(),
            })
        };
        serde_json::Value::Array(self.0.iter().map(item).collect()).to_string()
    }
}

#[async_trait]
impl Write for Append {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(tx.query(&APPEND_CHANGES).bind(self.list())).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        // existing rows are left as they are
        Ok(None)
    }
}

struct CloseBatch {
    root: Root,
    keys: Vec<String>,
}

impl CloseBatch {
    /// Whether the batch's number was free.
    async fn insert(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let root = &self.root;
        let query = tx.query(&INSERT_ROOT).bind(root.seq).bind(root.first.clone()).bind(root.last.clone());
        let query = query.bind(root.rows).bind(root.newest).bind(root.root.clone()).bind(root.prev.clone());
        Ok(tx.execute(query.bind(root.key_id.clone()).bind(root.signature.clone())).await? > 0)
    }
}

#[async_trait]
impl Write for CloseBatch {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        if !self.insert(tx).await? {
            return Err(Error::Conflict.into());
        }
        let claim = tx.query(&CLAIM_CHANGES).bind(self.root.seq).bind(json_list(&self.keys));
        if tx.execute(claim).await? != self.keys.len() as u64 {
            return Err(Error::Conflict.into());
        }
        Ok(())
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        if self.insert(tx).await? {
            return Ok(None);
        }
        let found: Option<(String,)> = tx.optional(tx.query(&SELECT_ROOT_HASH).bind(self.root.seq)).await?;
        Ok(found.is_some_and(|(hash,)| hash == self.root.root).then_some(()))
    }

    fn demand(&self) -> Demand {
        Demand::MayGrow
    }
}

struct DropBatch {
    seq: i64,
    signature: Vec<u8>,
}

#[async_trait]
impl Write for DropBatch {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        if tx.execute(tx.query(&MARK_DROPPED).bind(self.seq).bind(self.signature.clone())).await? > 0 {
            tx.execute(tx.query(&DROP_CHANGES).bind(self.seq)).await?;
        }
        Ok(())
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        // a batch is dropped once
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
