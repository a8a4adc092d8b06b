//! Buckets: namespaces with settings.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::metadata::Audit;
use zot_domain::ports::objects::{Bucket, ConfigureBucket, CreateBucket, Versioning};
use zot_domain::{Error, ObjectError, Result};

use super::{from_json, to_json};
use crate::content::{INSERT_NAMESPACE, SELECT_NAMESPACE};
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column};
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_BUCKET = "SELECT n.id, n.name, n.created_at, COALESCE(c.versioning, 'off') AS versioning, c.region, c.tags
        FROM namespace n LEFT JOIN bucket_config c ON c.ns = n.id WHERE n.name = $1";
    SELECT_BUCKETS = "SELECT n.id, n.name, n.created_at, COALESCE(c.versioning, 'off') AS versioning, c.region, c.tags
        FROM namespace n LEFT JOIN bucket_config c ON c.ns = n.id WHERE n.name > $1 ORDER BY n.name LIMIT $2";
    INSERT_CONFIG = "INSERT INTO bucket_config (ns, versioning, region, tags) VALUES ($1, 'off', $2, NULL)
        ON CONFLICT (ns) DO NOTHING";
    SET_VERSIONING = "UPDATE bucket_config SET versioning = $2 WHERE ns = $1";
    SET_BUCKET_TAGS = "UPDATE bucket_config SET tags = $2 WHERE ns = $1";
    SELECT_BUCKET_CONTENT = "SELECT 1 FROM object_version WHERE ns = $1
        UNION ALL SELECT 1 FROM upload WHERE ns = $1 AND state = 'open' AND expires_at > now_us()
        UNION ALL SELECT 1 FROM repository r JOIN repo_blob b ON b.repo = r.id WHERE r.ns = $1 LIMIT 1";
    /// Ended uploads; one that began meanwhile breaks a foreign key.
    DELETE_BUCKET_PARTS = "DELETE FROM part WHERE upload IN
        (SELECT id FROM upload WHERE ns = $1 AND (state <> 'open' OR expires_at <= now_us()))";
    KILL_BUCKET_SEGMENTS = "UPDATE segment SET state = 'dead', dead_at = now_us(), owner_upload = NULL
        WHERE state = 'staged' AND owner_upload IN
        (SELECT id FROM upload WHERE ns = $1 AND (state <> 'open' OR expires_at <= now_us()))";
    DELETE_BUCKET_UPLOADS = "DELETE FROM upload WHERE ns = $1 AND (state <> 'open' OR expires_at <= now_us())";
    DELETE_BUCKET_HEADS = "DELETE FROM object_head WHERE ns = $1";
    DELETE_BUCKET_HISTORY = "DELETE FROM tag_history WHERE repo IN (SELECT id FROM repository WHERE ns = $1)";
    DELETE_BUCKET_REPOSITORIES = "DELETE FROM repository WHERE ns = $1";
    DELETE_BUCKET_DELTAS = "DELETE FROM usage_delta WHERE ns = $1";
    DELETE_BUCKET_TOTAL = "DELETE FROM usage_total WHERE ns = $1";
    DELETE_BUCKET_CONFIG = "DELETE FROM bucket_config WHERE ns = $1";
    DELETE_BUCKET = "DELETE FROM namespace WHERE id = $1";
}

/// The rows of an empty bucket, in the order that the foreign keys require.
static REMAINS: [&crate::sql::Statement; 9] = [
    &DELETE_BUCKET_PARTS,
    &KILL_BUCKET_SEGMENTS,
    &DELETE_BUCKET_UPLOADS,
    &DELETE_BUCKET_HEADS,
    &DELETE_BUCKET_HISTORY,
    &DELETE_BUCKET_REPOSITORIES,
    &DELETE_BUCKET_DELTAS,
    &DELETE_BUCKET_TOTAL,
    &DELETE_BUCKET_CONFIG,
];

impl Store {
    pub(super) async fn read_bucket(&self, name: &str) -> Result<Option<Bucket>> {
        self.optional(self.reading(&SELECT_BUCKET).await.bind(name.to_owned())).await
    }

    pub(super) async fn read_buckets(&self, after: &str, limit: u32) -> Result<Vec<Bucket>> {
        self.all(self.reading(&SELECT_BUCKETS).await.bind(after.to_owned()).bind(i64::from(limit))).await
    }
}

impl Tx<'_> {
    /// A bucket as it is in this transaction.
    pub(super) async fn bucket(&mut self, name: &str) -> Result<Bucket, TxError<ObjectError>> {
        let bucket = self.optional(self.query(&SELECT_BUCKET).bind(name.to_owned())).await?;
        Ok(bucket.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))?)
    }
}

impl Row for Bucket {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let (versioning, tags): (String, Option<String>) = (column(row, "versioning")?, column(row, "tags")?);
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            created: column(row, "created_at")?,
            versioning: match versioning.as_str() {
                "enabled" => Versioning::Enabled,
                "suspended" => Versioning::Suspended,
                _ => Versioning::Off,
            },
            region: column(row, "region")?,
            tags: tags.map_or(Ok(BTreeMap::new()), |tags| from_json(&tags))?,
        })
    }
}

#[async_trait]
impl Write for CreateBucket {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let insert = tx.query(&INSERT_NAMESPACE).bind(self.name.clone()).bind(self.audit.actor.clone());
        if tx.execute(insert).await? == 0 {
            return Ok(false);
        }
        let ns = tx.number(tx.query(&SELECT_NAMESPACE).bind(self.name.clone())).await?.ok_or(Error::Conflict)?;
        if self.region.is_some() {
            tx.execute(tx.query(&INSERT_CONFIG).bind(ns).bind(self.region.clone())).await?;
        }
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}

#[async_trait]
impl Write for ConfigureBucket {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let Some(ns) = tx.number(tx.query(&SELECT_NAMESPACE).bind(self.name.clone())).await? else {
            return Ok(false);
        };
        tx.execute(tx.query(&INSERT_CONFIG).bind(ns).bind(None::<String>)).await?;
        if let Some(versioning) = self.versioning {
            let word = match versioning {
                Versioning::Off => "off",
                Versioning::Enabled => "enabled",
                Versioning::Suspended => "suspended",
            };
            tx.execute(tx.query(&SET_VERSIONING).bind(ns).bind(word)).await?;
        }
        if let Some(tags) = &self.tags {
            let tags = (!tags.is_empty()).then(|| to_json(tags)).transpose()?;
            tx.execute(tx.query(&SET_BUCKET_TAGS).bind(ns).bind(tags)).await?;
        }
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }
}

/// Deletes an empty bucket. Concurrent inserts break a foreign key, and the transaction is repeated.
pub(super) struct DeleteBucket {
    pub name: String,
    pub audit: Audit,
}

#[async_trait]
impl Write<ObjectError> for DeleteBucket {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError<ObjectError>> {
        let Some(ns) = tx.number(tx.query(&SELECT_NAMESPACE).bind(self.name.clone())).await? else {
            return Ok(false);
        };
        if tx.exists(tx.query(&SELECT_BUCKET_CONTENT).bind(ns)).await? {
            return Err(ObjectError::BucketNotEmpty(self.name.clone()).into());
        }
        tx.forget_access(ns).await?;
        for statement in REMAINS {
            tx.execute(tx.query(statement).bind(ns)).await?;
        }
        tx.execute(tx.query(&DELETE_BUCKET).bind(ns)).await?;
        tx.record(&self.audit).await?;
        Ok(true)
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<bool>, TxError<ObjectError>> {
        Ok(tx.recorded(&self.audit).await?.then_some(true))
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
