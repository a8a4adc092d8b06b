//! The store's identity: the id that is the prefix of all its keys in blob storage, and the database's incarnation. The
//! first start creates it.

use zot_domain::Result;

use crate::pool::Store;
use crate::row::rows;
use crate::sql::Dialect;
use crate::sql::statements;
use crate::tx::read_error;

statements! {
    INSERT_INFO = "INSERT INTO store_info (id, store_id, incarnation) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
    SELECT_INFO = "SELECT store_id, incarnation, admin_generated FROM store_info WHERE id = 1";
    SELECT_ANY_SEGMENT = "SELECT key FROM segment WHERE state = 'live' LIMIT 1";
    SELECT_ANY_KEY = "SELECT id FROM access_key LIMIT 1";
    SELECT_ANY_ROOT = "SELECT root FROM audit_root LIMIT 1";
    SELECT_INCARNATIONS = "SELECT incarnation, next_incarnation FROM store_info WHERE id = 1";
    SET_NEXT_INCARNATION = "UPDATE store_info SET next_incarnation = $2
        WHERE id = 1 AND incarnation = $1 AND (next_incarnation IS NULL OR next_incarnation = $2)";
    SET_INCARNATION = "UPDATE store_info SET incarnation = $1, next_incarnation = NULL
        WHERE id = 1 AND (next_incarnation = $1 OR incarnation = $1)";
    SELECT_PHYSICAL = "SELECT home FROM store_info WHERE id = 1";
    SET_PHYSICAL_ONCE = "UPDATE store_info SET home = $1 WHERE id = 1 AND home IS NULL";
    SET_PHYSICAL = "UPDATE store_info SET home = $1 WHERE id = 1";
    SET_ADMIN_GENERATED = "UPDATE store_info SET admin_generated = 1 WHERE id = 1 AND admin_generated = 0";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// The first component of each key in blob storage.
    pub store_id: String,
    /// The database's incarnation; a restore begins another one.
    pub incarnation: String,
    /// Whether the admin's access key was generated, and so is in the data directory of one machine.
    pub admin_generated: bool,
}

rows! { StoreInfo { store_id, incarnation, admin_generated } }

impl Store {
    /// The store's identity. The first replica that asks creates it.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn info(&self) -> Result<StoreInfo> {
        let new = |_| zot_core::ambient::random_id().simple().to_string();
        let insert = INSERT_INFO.on(self.dialect).bind(new(0)).bind(new(1));
        insert.execute(&self.pool).await.map_err(read_error)?;
        self.known_info().await?.ok_or(zot_domain::Error::Conflict)
    }

    /// The store's identity, if a server ran on it before.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn known_info(&self) -> Result<Option<StoreInfo>> {
        self.optional(SELECT_INFO.on(self.dialect)).await
    }

    /// Records the database's physical identity, if none is recorded.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn note_physical_identity(&self) -> Result<()> {
        let identity = self.physical_identity().await?;
        SET_PHYSICAL_ONCE.on(self.dialect).bind(identity).execute(&self.pool).await.map(drop).map_err(read_error)
    }

    /// Whether the database has the recorded physical identity, or none is recorded yet.
    pub(crate) async fn has_recorded_identity(&self) -> Result<bool> {
        match self.one::<(Option<String>,)>(SELECT_PHYSICAL.on(self.dialect)).await?.0 {
            Some(noted) => Ok(noted == self.physical_identity().await?),
            None => Ok(true),
        }
    }

    pub(crate) async fn write_physical_identity(&self) -> Result<()> {
        let identity = self.physical_identity().await?;
        SET_PHYSICAL.on(self.dialect).bind(identity).execute(&self.pool).await.map(drop).map_err(read_error)
    }

    /// An identity that dumps and copies do not have: cluster and database of Postgres, or the file's inode for SQLite.
    /// A standby that becomes the primary has the same identity. A restored dump, a database made from a template, and a copied
    /// file do not.
    async fn physical_identity(&self) -> Result<String> {
        if self.dialect == Dialect::Postgres {
            let sql = "SELECT (SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()) || '/'
                || (SELECT CAST(oid AS TEXT) FROM pg_database WHERE datname = current_database())";
            return Ok(self.one::<(String,)>(sqlx::query(sql)).await?.0);
        }
        let select = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'");
        let (file,): (String,) = self.one(select).await?;
        let about = tokio::fs::metadata(&file).await.map_err(zot_domain::Error::database)?;
        Ok(format!("file {}", std::os::unix::fs::MetadataExt::ino(&about)))
    }

    pub(crate) async fn read_incarnations(&self) -> Result<(String, Option<String>)> {
        self.one(SELECT_INCARNATIONS.on(self.dialect)).await
    }

    pub(crate) async fn write_next_incarnation(&self, current: &str, next: &str) -> Result<()> {
        let set = SET_NEXT_INCARNATION.on(self.dialect).bind(current.to_owned()).bind(next.to_owned());
        match set.execute(&self.pool).await.map_err(read_error)?.rows_affected() {
            0 => Err(zot_domain::Error::Conflict),
            _ => Ok(()),
        }
    }

    pub(crate) async fn write_incarnation(&self, next: &str) -> Result<()> {
        let set = SET_INCARNATION.on(self.dialect).bind(next.to_owned());
        set.execute(&self.pool).await.map(drop).map_err(read_error)
    }

    /// Whether any bytes in blob storage belong to this store.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn has_segments(&self) -> Result<bool> {
        Ok(self.optional::<()>(SELECT_ANY_SEGMENT.on(self.dialect)).await?.is_some())
    }

    /// Whether anything is encrypted or signed with a master key.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn needs_master_key(&self) -> Result<bool> {
        for statement in [&SELECT_ANY_KEY, &SELECT_ANY_ROOT] {
            if self.optional::<()>(statement.on(self.dialect)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records that an admin key is generated here. False if another machine did.
    ///
    /// # Errors
    /// [`zot_domain::Error::Unavailable`].
    pub async fn claim_admin_generation(&self) -> Result<bool> {
        let claimed = SET_ADMIN_GENERATED.on(self.dialect).execute(&self.pool).await.map_err(read_error)?;
        Ok(claimed.rows_affected() == 1)
    }
}
