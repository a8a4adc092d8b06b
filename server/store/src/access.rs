//! The port `Access`: policies, and the epoch by which replicas notice changes. Bucket policies are in
//! `access/bucket.rs`.

pub(crate) mod bucket;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_core::policy::{Policy, shipped};
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::access::{
    Access, BucketAccess, PolicyChange, PublicAccessBlock, PutBucketPolicy, PutMode, Stored, StoredPolicy,
};
use zot_domain::ports::metadata::Audit;
use zot_domain::{Error, Result};

use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, json};
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_EPOCH = "SELECT epoch, ready FROM auth_epoch WHERE id = 1";
    /// Raised before the rows are written, in the same transaction: a reader of the new epoch has the rows or reads
    /// again.
    RAISE_EPOCH = "UPDATE auth_epoch SET epoch = epoch + 1 WHERE id = 1";
    /// One replica adds the shipped roles.
    CLAIM_SHIPPED = "UPDATE auth_epoch SET ready = 1, epoch = epoch + 1 WHERE id = 1 AND ready = 0";
    SELECT_POLICIES = "SELECT body, created_at, updated_at FROM policy WHERE ns IS NULL ORDER BY id";
    SELECT_POLICY = "SELECT body, created_at, updated_at FROM policy WHERE id = $1 AND ns IS NULL";
    INSERT_POLICY = "INSERT INTO policy (id, body, created_at, updated_at) VALUES ($1, $2, now_us(), now_us())
        ON CONFLICT (id) DO NOTHING";
    UPDATE_POLICY = "UPDATE policy SET body = $2, updated_at = now_us() WHERE id = $1 AND ns IS NULL";
    /// A concurrent change waits until this one is committed.
    LOCK_POLICY = "UPDATE policy SET id = id WHERE id = $1 AND ns IS NULL";
    DELETE_POLICY = "DELETE FROM policy WHERE id = $1 AND ns IS NULL";
}

/// How often everything is read again because it changed meanwhile.
const ATTEMPTS: u32 = 3;

#[async_trait]
impl Access for Store {
    async fn epoch(&self) -> Result<i64> {
        self.read_epoch().await.map(|(epoch, _)| epoch)
    }

    async fn all(&self) -> Result<Stored> {
        let mut epoch = self.ready_epoch().await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let stored = Stored { epoch, policies: self.policies().await?, buckets: self.read_bucket_access().await? };
            let (now, _) = self.read_epoch().await?;
            // a concurrent change may be read in part; the last attempt returns the previous epoch, so it is read again
            if now == epoch || attempt == ATTEMPTS {
                return Ok(stored);
            }
            epoch = now;
        }
    }

    async fn policies(&self) -> Result<Vec<StoredPolicy>> {
        self.ready_epoch().await?;
        Store::all(self, SELECT_POLICIES.on(self.dialect)).await
    }

    async fn policy(&self, id: &str) -> Result<Option<StoredPolicy>> {
        self.optional(SELECT_POLICY.on(self.dialect).bind(id.to_owned())).await
    }

    async fn put_policy(&self, policy: Policy, mode: PutMode, audit: Audit) -> Result<Option<StoredPolicy>> {
        self.write(PutPolicy { policy, mode, audit }).await
    }

    async fn change_policy(&self, id: &str, change: PolicyChange, audit: Audit) -> Result<Option<StoredPolicy>> {
        self.write(ChangePolicy { id: id.to_owned(), change, audit }).await
    }

    async fn delete_policy(&self, id: &str, audit: Audit) -> Result<bool> {
        self.write(DeletePolicy { id: id.to_owned(), audit }).await
    }

    async fn bucket_access(&self, bucket: &str) -> Result<Option<BucketAccess>> {
        self.read_access_of(bucket).await
    }

    async fn put_bucket_policy(&self, put: PutBucketPolicy) -> Result<bool> {
        self.write(put).await
    }

    async fn delete_bucket_policy(&self, bucket: &str, audit: Audit) -> Result<bool> {
        self.write(bucket::DeletePolicy { bucket: bucket.to_owned(), audit }).await
    }

    async fn set_public_access(&self, bucket: &str, block: Option<PublicAccessBlock>, audit: Audit) -> Result<bool> {
        self.write(bucket::SetPublicAccess { bucket: bucket.to_owned(), block, audit }).await
    }
}

impl Store {
    /// The epoch of a store that has the shipped roles.
    async fn ready_epoch(&self) -> Result<i64> {
        match self.read_epoch().await? {
            (_, false) => {
                self.write(PutShipped).await?;
                self.read_epoch().await.map(|(epoch, _)| epoch)
            }
            (epoch, true) => Ok(epoch),
        }
    }

    async fn read_epoch(&self) -> Result<(i64, bool)> {
        self.one(SELECT_EPOCH.on(self.dialect)).await
    }
}

impl Row for StoredPolicy {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let (created, updated) = (column(row, "created_at")?, column(row, "updated_at")?);
        Ok(Self { policy: json(row, "body")?, created, updated })
    }
}

fn body(policy: &Policy) -> Result<String, TxError> {
    Ok(serde_json::to_string(policy).map_err(|error| Error::Internal(format!("a policy: {error}")))?)
}

/// Adds the shipped roles to a new store.
struct PutShipped;

#[async_trait]
impl Write for PutShipped {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        if tx.execute(tx.query(&CLAIM_SHIPPED)).await? == 0 {
            return Ok(());
        }
        for policy in shipped() {
            tx.execute(tx.query(&INSERT_POLICY).bind(policy.id.clone()).bind(body(&policy)?)).await?;
        }
        Ok(())
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }
}

struct PutPolicy {
    policy: Policy,
    mode: PutMode,
    audit: Audit,
}

#[async_trait]
impl Write for PutPolicy {
    type Output = Option<StoredPolicy>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<StoredPolicy>, TxError> {
        let statement = match self.mode {
            PutMode::Create => &INSERT_POLICY,
            PutMode::Replace => &UPDATE_POLICY,
        };
        if tx.execute(tx.query(statement).bind(self.policy.id.clone()).bind(body(&self.policy)?)).await? == 0 {
            return Ok(None);
        }
        tx.execute(tx.query(&RAISE_EPOCH)).await?;
        tx.record(&self.audit).await?;
        read(tx, &self.policy.id).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<StoredPolicy>>, TxError> {
        if !tx.recorded(&self.audit).await? {
            return Ok(None);
        }
        read(tx, &self.policy.id).await.map(Some)
    }
}

async fn read(tx: &mut Tx<'_>, id: &str) -> Result<Option<StoredPolicy>, TxError> {
    tx.optional(tx.query(&SELECT_POLICY).bind(id.to_owned())).await
}

struct ChangePolicy {
    id: String,
    change: PolicyChange,
    audit: Audit,
}

#[async_trait]
impl Write for ChangePolicy {
    type Output = Option<StoredPolicy>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<StoredPolicy>, TxError> {
        tx.execute(tx.query(&LOCK_POLICY).bind(self.id.clone())).await?;
        let Some(before) = read(tx, &self.id).await? else { return Ok(None) };
        let changed = self.change.of(before.policy.clone());
        if changed == before.policy {
            return Ok(Some(before));
        }
        changed.statement()?;
        tx.execute(tx.query(&UPDATE_POLICY).bind(self.id.clone()).bind(body(&changed)?)).await?;
        tx.execute(tx.query(&RAISE_EPOCH)).await?;
        tx.record(&self.audit).await?;
        read(tx, &self.id).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<StoredPolicy>>, TxError> {
        // a change without effect has no audit row, and repeating it has no effect either
        if tx.recorded(&self.audit).await? { read(tx, &self.id).await.map(Some) } else { Ok(None) }
    }
}

struct DeletePolicy {
    id: String,
    audit: Audit,
}

#[async_trait]
impl Write for DeletePolicy {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        if tx.execute(tx.query(&DELETE_POLICY).bind(self.id.clone())).await? == 0 {
            return Ok(false);
        }
        tx.execute(tx.query(&RAISE_EPOCH)).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
