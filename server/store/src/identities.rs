//! The port `Identities`: accounts, access keys and revocations, and their epoch. Secrets are encrypted by the caller.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::access::PutMode;
use zot_domain::ports::identities::{Account, Identities, KeyChange, Snapshot, StoredKey};
use zot_domain::ports::metadata::Audit;
use zot_domain::{AdministrationError, Result};

use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column, json};
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    SELECT_IDENTITIES_EPOCH = "SELECT identities FROM auth_epoch WHERE id = 1";
    /// Raised before the rows are read: concurrent changes are then read again.
    RAISE_IDENTITIES = "UPDATE auth_epoch SET identities = identities + 1 WHERE id = 1";
    SELECT_ACCOUNTS = "SELECT name, description, roles, groups, disabled, created_at, updated_at FROM account ORDER BY name";
    SELECT_ACCOUNT = "SELECT name, description, roles, groups, disabled, created_at, updated_at FROM account WHERE name = $1";
    INSERT_ACCOUNT = "INSERT INTO account (name, description, roles, groups, disabled, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, now_us(), now_us()) ON CONFLICT (name) DO NOTHING";
    UPDATE_ACCOUNT = "UPDATE account SET description = $2, roles = $3, groups = $4, disabled = $5, updated_at = now_us()
        WHERE name = $1";
    DELETE_ACCOUNT = "DELETE FROM account WHERE name = $1";
    SELECT_KEYS = "SELECT id, owner, held, description, sealed, disabled, expires_at, created_at FROM access_key ORDER BY id";
    SELECT_KEY = "SELECT id, owner, held, description, sealed, disabled, expires_at, created_at FROM access_key WHERE id = $1";
    INSERT_KEY = "INSERT INTO access_key (id, owner, held, description, sealed, disabled, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    COUNT_KEYS_OF = "SELECT COUNT(*) FROM access_key WHERE owner = $1";
    /// A null keeps the value; $4 says whether $5 counts, because a null there means never.
    UPDATE_KEY = "UPDATE access_key SET disabled = COALESCE($2, disabled), description = COALESCE($3, description),
        expires_at = CASE WHEN $4 = 1 THEN $5 ELSE expires_at END WHERE id = $1";
    DELETE_KEY = "DELETE FROM access_key WHERE id = $1";
    DELETE_KEYS_OF = "DELETE FROM access_key WHERE owner = $1";
    REENCRYPT_KEY = "UPDATE access_key SET sealed = $3 WHERE id = $1 AND sealed = $2";
    SELECT_REVOKED = "SELECT subject, epoch FROM cred_epoch ORDER BY subject";
    REVOKE = "INSERT INTO cred_epoch (subject, epoch) VALUES ($1, $2)
        ON CONFLICT (subject) DO UPDATE SET epoch = excluded.epoch WHERE excluded.epoch > cred_epoch.epoch";
}

#[async_trait]
impl Identities for Store {
    async fn identities_epoch(&self) -> Result<i64> {
        Ok(self.one::<(i64,)>(SELECT_IDENTITIES_EPOCH.on(self.dialect)).await?.0)
    }

    async fn identities(&self) -> Result<Snapshot> {
        let epoch = self.identities_epoch().await?;
        Ok(Snapshot {
            epoch,
            accounts: self.all(SELECT_ACCOUNTS.on(self.dialect)).await?,
            keys: self.all(SELECT_KEYS.on(self.dialect)).await?,
            revoked: self.all(SELECT_REVOKED.on(self.dialect)).await?,
        })
    }

    async fn put_account(&self, account: Account, mode: PutMode, audit: Audit) -> Result<Option<Account>> {
        self.write(PutAccount { account, mode, audit }).await
    }

    async fn delete_account(&self, name: &str, audit: Audit) -> Result<bool> {
        self.write(Remove { what: Removed::Account(name.to_owned()), audit }).await
    }

    async fn add_key(
        &self,
        key: StoredKey,
        at_most: Option<u32>,
        instead_of: Option<(String, KeyChange)>,
        audit: Audit,
    ) -> Result<Option<StoredKey>, AdministrationError> {
        self.write(AddKey { key, at_most, instead_of, audit }).await
    }

    async fn change_key(&self, id: &str, change: KeyChange, audit: Audit) -> Result<Option<StoredKey>> {
        self.write(ChangeKey { id: id.to_owned(), change, audit }).await
    }

    async fn delete_key(&self, id: &str, audit: Audit) -> Result<bool> {
        self.write(Remove { what: Removed::Key(id.to_owned()), audit }).await
    }

    async fn reencrypt_key(&self, id: &str, old: Vec<u8>, new: Vec<u8>) -> Result<bool> {
        self.write(ReencryptKey { id: id.to_owned(), old, new }).await
    }

    async fn revoke(&self, principal: &str, second: i64, audit: Audit) -> Result<()> {
        self.write(Revoke { principal: principal.to_owned(), second, audit }).await
    }
}

impl Row for Account {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            name: column(row, "name")?,
            description: column(row, "description")?,
            roles: json(row, "roles")?,
            groups: json(row, "groups")?,
            disabled: column(row, "disabled")?,
            created: column(row, "created_at")?,
            updated: column(row, "updated_at")?,
        })
    }
}

impl Row for StoredKey {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            id: column(row, "id")?,
            owner: column(row, "owner")?,
            all_names: json(row, "held")?,
            description: column(row, "description")?,
            encrypted: column(row, "sealed")?,
            disabled: column(row, "disabled")?,
            expires: column(row, "expires_at")?,
            created: column(row, "created_at")?,
        })
    }
}

fn text_of(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

struct PutAccount {
    account: Account,
    mode: PutMode,
    audit: Audit,
}

impl PutAccount {
    async fn read(&self, tx: &mut Tx<'_>) -> Result<Option<Account>, TxError> {
        tx.optional(tx.query(&SELECT_ACCOUNT).bind(self.account.name.clone())).await
    }
}

#[async_trait]
impl Write for PutAccount {
    type Output = Option<Account>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Account>, TxError> {
        let it = &self.account;
        let statement = match self.mode {
            PutMode::Create => &INSERT_ACCOUNT,
            PutMode::Replace => &UPDATE_ACCOUNT,
        };
        let query = tx.query(statement).bind(it.name.clone()).bind(it.description.clone());
        let query = query.bind(text_of(&it.roles)).bind(text_of(&it.groups)).bind(i64::from(it.disabled));
        if tx.execute(query).await? == 0 {
            return Ok(None);
        }
        tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
        tx.record(&self.audit).await?;
        self.read(tx).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<Account>>, TxError> {
        if tx.recorded(&self.audit).await? { self.read(tx).await.map(Some) } else { Ok(None) }
    }
}

struct AddKey {
    key: StoredKey,
    at_most: Option<u32>,
    instead_of: Option<(String, KeyChange)>,
    audit: Audit,
}

#[async_trait]
impl Write<AdministrationError> for AddKey {
    type Output = Option<StoredKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<StoredKey>, TxError<AdministrationError>> {
        if let Some((id, change)) = &self.instead_of
            && !update(tx, id, change).await?
        {
            return Ok(None);
        }
        // concurrent additions wait here, so that the count stays correct
        tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
        let it = &self.key;
        if let Some(most) = self.at_most
            && tx.number(tx.query(&COUNT_KEYS_OF).bind(it.owner.clone())).await?.is_some_and(|now| now >= most.into())
        {
            let why = format!("{} has {most} access keys, which is the limit; delete one first", it.owner);
            return Err(AdministrationError::StateConflict(why).into());
        }
        let query = tx.query(&INSERT_KEY).bind(it.id.clone()).bind(it.owner.clone()).bind(text_of(&it.all_names));
        let query = query
            .bind(it.description.clone())
            .bind(it.encrypted.clone())
            .bind(i64::from(it.disabled))
            .bind(it.expires)
            .bind(it.created);
        tx.execute(query).await?;
        tx.record(&self.audit).await?;
        Ok(Some(self.key.clone()))
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<StoredKey>>, TxError<AdministrationError>> {
        Ok(tx.recorded(&self.audit).await?.then(|| Some(self.key.clone())))
    }
}

async fn update(tx: &mut Tx<'_>, id: &str, change: &KeyChange) -> Result<bool, TxError> {
    let query = tx.query(&UPDATE_KEY).bind(id.to_owned()).bind(change.disabled.map(i64::from));
    let query = query.bind(change.description.clone()).bind(i64::from(change.expires.is_some()));
    Ok(tx.execute(query.bind(change.expires.flatten())).await? != 0)
}

struct ChangeKey {
    id: String,
    change: KeyChange,
    audit: Audit,
}

impl ChangeKey {
    async fn read(&self, tx: &mut Tx<'_>) -> Result<Option<StoredKey>, TxError> {
        tx.optional(tx.query(&SELECT_KEY).bind(self.id.clone())).await
    }
}

#[async_trait]
impl Write for ChangeKey {
    type Output = Option<StoredKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<StoredKey>, TxError> {
        if !update(tx, &self.id, &self.change).await? {
            return Ok(None);
        }
        tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
        tx.record(&self.audit).await?;
        self.read(tx).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<Option<StoredKey>>, TxError> {
        if tx.recorded(&self.audit).await? { self.read(tx).await.map(Some) } else { Ok(None) }
    }
}

enum Removed {
    Account(String),
    Key(String),
}

struct Remove {
    what: Removed,
    audit: Audit,
}

#[async_trait]
impl Write for Remove {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let gone = match &self.what {
            Removed::Key(id) => tx.execute(tx.query(&DELETE_KEY).bind(id.clone())).await?,
            Removed::Account(name) => {
                // a new account with this name must not inherit the keys
                tx.execute(tx.query(&DELETE_KEYS_OF).bind(format!("account:{name}"))).await?;
                tx.execute(tx.query(&DELETE_ACCOUNT).bind(name.clone())).await?
            }
        };
        if gone == 0 {
            return Ok(false);
        }
        tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
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

struct ReencryptKey {
    id: String,
    old: Vec<u8>,
    new: Vec<u8>,
}

#[async_trait]
impl Write for ReencryptKey {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let query = tx.query(&REENCRYPT_KEY).bind(self.id.clone()).bind(self.old.clone()).bind(self.new.clone());
        let done = tx.execute(query).await? != 0;
        if done {
            tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
        }
        Ok(done)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        // repeating it has no effect
        Ok(None)
    }
}

struct Revoke {
    principal: String,
    second: i64,
    audit: Audit,
}

#[async_trait]
impl Write for Revoke {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(tx.query(&REVOKE).bind(self.principal.clone()).bind(self.second)).await?;
        tx.execute(tx.query(&RAISE_IDENTITIES)).await?;
        tx.record(&self.audit).await
    }

    async fn committed(&self, tx: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(tx.recorded(&self.audit).await?.then_some(()))
    }
}
