//! Bucket policies and public access blocks. They belong to the namespace's id and are deleted with it.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::access::{BucketAccess, PublicAccessBlock, PutBucketPolicy};
use zot_domain::ports::metadata::Audit;
use zot_domain::{Error, Result};

use super::RAISE_EPOCH;
use crate::content::SELECT_NAMESPACE;
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column};
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_BUCKETS_ACCESS = "SELECT n.name, p.body, b.block_public_acls, b.ignore_public_acls, b.block_public_policy,
        b.restrict_public_buckets FROM namespace n
        LEFT JOIN policy p ON p.ns = n.id LEFT JOIN public_access_block b ON b.ns = n.id
        WHERE n.id IN (SELECT ns FROM policy WHERE ns IS NOT NULL UNION SELECT ns FROM public_access_block)
        ORDER BY n.name";
    SELECT_BUCKET_ACCESS = "SELECT n.name, p.body, b.block_public_acls, b.ignore_public_acls, b.block_public_policy,
        b.restrict_public_buckets FROM namespace n
        LEFT JOIN policy p ON p.ns = n.id LEFT JOIN public_access_block b ON b.ns = n.id WHERE n.name = $1";
    UPSERT_BUCKET_POLICY = "INSERT INTO policy (id, ns, body, created_at, updated_at) VALUES ($1, $2, $3, now_us(), now_us())
        ON CONFLICT (id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at
        WHERE policy.ns = excluded.ns";
    SELECT_BLOCKS_POLICY = "SELECT block_public_policy FROM public_access_block WHERE ns = $1";
    DELETE_POLICY_OF_BUCKET = "DELETE FROM policy WHERE ns = $1";
    UPSERT_PUBLIC_ACCESS = "INSERT INTO public_access_block
        (ns, block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (ns) DO UPDATE SET block_public_acls = excluded.block_public_acls,
        ignore_public_acls = excluded.ignore_public_acls, block_public_policy = excluded.block_public_policy,
        restrict_public_buckets = excluded.restrict_public_buckets";
    DELETE_PUBLIC_ACCESS = "DELETE FROM public_access_block WHERE ns = $1";
}

impl Store {
    pub(super) async fn read_bucket_access(&self) -> Result<Vec<BucketAccess>> {
        self.all(SELECT_BUCKETS_ACCESS.on(self.dialect)).await
    }

    pub(super) async fn read_access_of(&self, bucket: &str) -> Result<Option<BucketAccess>> {
        self.optional(SELECT_BUCKET_ACCESS.on(self.dialect).bind(bucket.to_owned())).await
    }
}

impl Tx<'_> {
    /// Deletes the policy of a deleted bucket and raises the epoch.
    pub(crate) async fn forget_access(&mut self, ns: i64) -> Result<(), TxError> {
        let policies = self.execute(self.query(&DELETE_POLICY_OF_BUCKET).bind(ns)).await?;
        let blocks = self.execute(self.query(&DELETE_PUBLIC_ACCESS).bind(ns)).await?;
        if policies + blocks > 0 {
            self.execute(self.query(&RAISE_EPOCH)).await?;
        }
        Ok(())
    }

    async fn namespace_of(&mut self, bucket: &str) -> Result<Option<i64>, TxError> {
        self.number(self.query(&SELECT_NAMESPACE).bind(bucket.to_owned())).await
    }
}

impl Row for BucketAccess {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        // without a public access block, all its columns are null
        let public_access = match column(row, "block_public_acls")? {
            Some(block_public_acls) => Some(PublicAccessBlock {
                block_public_acls,
                ignore_public_acls: column(row, "ignore_public_acls")?,
                block_public_policy: column(row, "block_public_policy")?,
                restrict_public_buckets: column(row, "restrict_public_buckets")?,
            }),
            None => None,
        };
        Ok(Self { bucket: column(row, "name")?, policy: column(row, "body")?, public_access })
    }
}

#[async_trait]
impl Write for PutBucketPolicy {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let Some(ns) = tx.namespace_of(&self.bucket).await? else { return Ok(false) };
        let upsert = tx.query(&UPSERT_BUCKET_POLICY).bind(format!("bucket:{ns}")).bind(ns).bind(self.policy.clone());
        if tx.execute(upsert).await? == 0 {
            return Err(Error::Internal(format!("the policy of bucket {} has another one's id", self.bucket)).into());
        }
        // concurrent changes wait here, so that the block that is read stays valid
        tx.execute(tx.query(&RAISE_EPOCH)).await?;
        let blocks = tx.number(tx.query(&SELECT_BLOCKS_POLICY).bind(ns)).await?;
        if self.is_public && blocks.is_some_and(|flag| flag != 0) {
            let bucket = &self.bucket;
            return Err(Error::Denied(format!("bucket {bucket} blocks public policies (BlockPublicPolicy)")).into());
        }
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}

pub(super) struct DeletePolicy {
    pub bucket: String,
    pub audit: Audit,
}

#[async_trait]
impl Write for DeletePolicy {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let Some(ns) = tx.namespace_of(&self.bucket).await? else { return Ok(false) };
        if tx.execute(tx.query(&DELETE_POLICY_OF_BUCKET).bind(ns)).await? > 0 {
            tx.execute(tx.query(&RAISE_EPOCH)).await?;
            tx.record(&self.audit).await?;
        }
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

pub(super) struct SetPublicAccess {
    pub bucket: String,
    /// None deletes it.
    pub block: Option<PublicAccessBlock>,
    pub audit: Audit,
}

#[async_trait]
impl Write for SetPublicAccess {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let Some(ns) = tx.namespace_of(&self.bucket).await? else { return Ok(false) };
        let changed = match &self.block {
            None => tx.execute(tx.query(&DELETE_PUBLIC_ACCESS).bind(ns)).await?,
            Some(block) => {
                let upsert = tx.query(&UPSERT_PUBLIC_ACCESS).bind(ns);
                let upsert = upsert.bind(i64::from(block.block_public_acls)).bind(i64::from(block.ignore_public_acls));
                let upsert = upsert.bind(i64::from(block.block_public_policy));
                tx.execute(upsert.bind(i64::from(block.restrict_public_buckets))).await?
            }
        };
        if changed > 0 {
            tx.execute(tx.query(&RAISE_EPOCH)).await?;
            tx.record(&self.audit).await?;
        }
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        if self.block.is_none() { Demand::Frees } else { Demand::Grows }
    }
}
