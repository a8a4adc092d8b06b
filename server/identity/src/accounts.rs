//! Administration of accounts and access keys, and revocation of tokens and sessions.
//!
//! Administrators of `system:accounts` manage all of them. People manage their own access keys.

use std::sync::Arc;

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::policy::{PrincipalPattern, Resource};
use zot_core::principal::Principal;
use zot_domain::authorizer::Authorizer;
use zot_domain::ports::access::PutMode;
use zot_domain::ports::identities::{Account, KeyChange, StoredKey};
use zot_domain::ports::metadata::Audit;
use zot_domain::{AdministrationError, Call, Error, Result};

use crate::keyring::Purpose;
use crate::{Identity, NAME_MAX, now_micros, now_secs};

/// The resource whose administrators manage accounts and access keys.
const ACCOUNTS: Resource<'_> = Resource::System("accounts");
/// Longest life of a person's access key. The store does not learn when its owner leaves.
const PERSONAL_MAX_SECS: i64 = 90 * 24 * 3600;
/// Most access keys of a person. Anybody with a token can create them, and every replica has all of them in memory.
const PERSONAL_MAX: u32 = 20;
/// Longest time for which a rotated key may stay valid.
const GRACE_MAX_SECS: i64 = 30 * 24 * 3600;
const TEXT_MAX: usize = 1024;
const LIST_MAX: usize = 1000;
const MICROS: i64 = 1_000_000;

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    identity: Arc<Identity>,
    authorizer: Authorizer,
}

/// A request for an access key.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// The owner: `account:NAME` or `user:NAME`. By default, the caller.
    pub owner: Option<String>,
    pub description: String,
    /// Expiry, in microseconds since 1970.
    pub expires: Option<i64>,
}

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    pub id: String,
    pub owner: String,
    pub description: String,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Expiry, in microseconds since 1970.
    pub expires: Option<i64>,
    /// Creation time, in microseconds since 1970.
    pub created: i64,
}

impl From<&StoredKey> for ShownKey {
    fn from(key: &StoredKey) -> Self {
        Self {
            id: key.id.clone(),
            owner: key.owner.clone(),
            description: key.description.clone(),
            disabled: key.disabled,
            expires: key.expires,
            created: key.created,
        }
    }
}

impl Accounts {
    /// Use cases over these identities.
    pub fn new(identity: Arc<Identity>, authorizer: Authorizer) -> Self {
        Self { identity, authorizer }
    }

    /// All accounts, sorted by name.
    ///
    /// # Errors
    /// Of policy and of the database.
    pub async fn accounts(&self, call: &Call) -> Result<Vec<Account>> {
        self.authorizer.require(call, Action::Admin, ACCOUNTS)?;
        Ok(self.identity.directory.store().identities().await?.accounts)
    }

    /// One account.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn account(&self, call: &Call, name: &str) -> Result<Account> {
        self.accounts(call).await?.into_iter().find(|account| account.name == name).ok_or_else(|| no_account(name))
    }

    /// Creates an account.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] names the field, [`AdministrationError::AccountExists`].
    pub async fn create_account(&self, call: &Call, account: Account) -> Result<Account, AdministrationError> {
        let name = account.name.clone();
        self.put_account(call, account, PutMode::Create, AuditAction::AccountCreate)
            .await?
            .ok_or(AdministrationError::AccountExists(name))
    }

    /// Replaces an existing account.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] names the field, [`Error::NotFound`].
    pub async fn replace_account(&self, call: &Call, account: Account) -> Result<Account> {
        let name = account.name.clone();
        self.put_account(call, account, PutMode::Replace, AuditAction::AccountUpdate)
            .await?
            .ok_or_else(|| no_account(&name))
    }

    async fn put_account(
        &self,
        call: &Call,
        account: Account,
        mode: PutMode,
        action: AuditAction,
    ) -> Result<Option<Account>> {
        self.require_change(call)?;
        check_account(&account)?;
        let audit = Audit::of(call, action, format!("system:accounts/{}", account.name));
        let put = self.identity.directory.store().put_account(account, mode, audit).await?;
        self.identity.directory.load().await?;
        Ok(put)
    }

    /// Deletes an account and all its access keys.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_account(&self, call: &Call, name: &str) -> Result<()> {
        self.require_change(call)?;
        let audit = Audit::of(call, AuditAction::AccountDelete, format!("system:accounts/{name}"));
        if !self.identity.directory.store().delete_account(name, audit).await? {
            return Err(no_account(name));
        }
        self.identity.directory.load().await
    }

    /// Access keys, sorted by id: one owner's, or all that the caller may see.
    ///
    /// # Errors
    /// Of policy and of the database.
    pub async fn keys(&self, call: &Call, owner: Option<&str>) -> Result<Vec<ShownKey>> {
        let own = person(call);
        if owner.is_none() || owner != own.as_deref() {
            let asked = self.authorizer.require(call, Action::Admin, ACCOUNTS);
            // without an owner in the request, callers get the keys that they may see
            if owner.is_some() || own.is_none() {
                asked?;
            } else if asked.is_err() {
                return self.keys_of(own.as_deref()).await;
            }
        }
        self.keys_of(owner).await
    }

    async fn keys_of(&self, owner: Option<&str>) -> Result<Vec<ShownKey>> {
        let all = self.identity.directory.store().identities().await?.keys;
        Ok(all.iter().filter(|key| owner.is_none_or(|owner| key.owner == owner)).map(ShownKey::from).collect())
    }

    /// One access key.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn key(&self, call: &Call, id: &str) -> Result<ShownKey> {
        self.owned_key(call, id).await.map(|key| ShownKey::from(&key))
    }

    /// Creates an access key. This is the only time that its secret is shown.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] names the field; [`Error::NotFound`] if the account does not exist;
    /// [`AdministrationError::StateConflict`] if a person has the maximum number of keys.
    pub async fn create_key(&self, call: &Call, new: NewKey) -> Result<(ShownKey, String), AdministrationError> {
        let own = person(call);
        let owner = match new.owner.clone().or_else(|| own.clone()) {
            Some(owner) => owner,
            None if call.principal.is_anonymous() => return Err(Error::Unauthenticated.into()),
            None => {
                return Err(Error::ParameterInvalid(
                    "owner: name an account (account:NAME) or a person (user:NAME, userid:SUB)".to_owned(),
                )
                .into());
            }
        };
        self.require_owner(call, &owner)?;
        let mut expires = new.expires;
        match owner.split_once(':') {
            Some(("account", name)) => {
                let known = self.identity.directory.store().identities().await?.accounts;
                known.iter().find(|account| account.name == name).ok_or_else(|| no_account(name))?;
            }
            Some(("user" | "userid", name)) if !name.is_empty() => {
                if name.len() > NAME_MAX {
                    return Err(Error::ParameterInvalid(format!("owner: a name has at most {NAME_MAX} bytes")).into());
                }
                check_text("owner", name)?;
                let longest = (now_secs() + PERSONAL_MAX_SECS) * MICROS;
                if expires.is_some_and(|at| at > longest) {
                    return Err(Error::ParameterInvalid(
                        "expiresAt: a person's key is valid for at most 90 days".to_owned(),
                    )
                    .into());
                }
                expires = expires.or(Some(longest));
            }
            _ => {
                return Err(Error::ParameterInvalid(
                    "owner: expected account:NAME, user:NAME or userid:SUB".to_owned(),
                )
                .into());
            }
        }
        let all_names = owner_names(call, &owner).unwrap_or_default();
        let (key, secret) = self.new_key(owner, all_names, new.description, expires)?;
        let audit = Audit::of(call, AuditAction::AccessKeyCreate, format!("system:accounts/keys/{}", key.id));
        self.add(key, None, audit).await.map(|key| (key, secret))
    }

    /// Replaces an access key with a new one. The old key stays valid for the requested time.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`], [`Error::NotFound`]; [`AdministrationError::StateConflict`] if the key is
    /// disabled, or if a person has the maximum number of keys.
    pub async fn rotate_key(
        &self,
        call: &Call,
        id: &str,
        grace_secs: i64,
    ) -> Result<(ShownKey, String), AdministrationError> {
        let old = self.owned_key(call, id).await?;
        if !(0..=GRACE_MAX_SECS).contains(&grace_secs) {
            return Err(Error::ParameterInvalid(format!("graceSeconds must be 0 to {GRACE_MAX_SECS}")).into());
        }
        if old.disabled {
            // the new key would be enabled
            return Err(AdministrationError::StateConflict(format!(
                "access key {id} is disabled; enable it first, or create another one"
            )));
        }
        let ends = (now_secs() + grace_secs) * MICROS;
        let ends = old.expires.map_or(ends, |before| before.min(ends));
        let all_names = owner_names(call, &old.owner).unwrap_or(old.all_names);
        let (key, secret) = self.new_key(old.owner, all_names, old.description, old.expires)?;
        let audit = Audit::of(call, AuditAction::AccessKeyRotate, format!("system:accounts/keys/{id}"));
        let change = KeyChange { expires: Some(Some(ends)), ..KeyChange::default() };
        self.add(key, Some((id.to_owned(), change)), audit).await.map(|key| (key, secret))
    }

    /// Changes an access key: disables or enables it, or changes its expiry.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`], [`Error::NotFound`].
    pub async fn change_key(&self, call: &Call, id: &str, change: KeyChange) -> Result<ShownKey> {
        let key = self.owned_key(call, id).await?;
        check_text("description", change.description.as_deref().unwrap_or_default())?;
        if let Some(expires) = change.expires {
            let longest = (now_secs() + PERSONAL_MAX_SECS) * MICROS;
            if is_person(&key.owner) && expires.is_none_or(|at| at > longest) {
                return Err(Error::ParameterInvalid(
                    "expiresAt: a person's key is valid for at most 90 days".to_owned(),
                ));
            }
        }
        let audit = Audit::of(call, AuditAction::AccessKeyUpdate, format!("system:accounts/keys/{id}"));
        let changed = self.identity.directory.store().change_key(id, change, audit).await?;
        self.identity.directory.load().await?;
        changed.as_ref().map(ShownKey::from).ok_or_else(|| no_key(id))
    }

    /// Deletes an access key: it is no longer accepted.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_key(&self, call: &Call, id: &str) -> Result<()> {
        self.owned_key(call, id).await?;
        let audit = Audit::of(call, AuditAction::AccessKeyDelete, format!("system:accounts/keys/{id}"));
        if !self.identity.directory.store().delete_key(id, audit).await? {
            return Err(no_key(id));
        }
        self.identity.directory.load().await
    }

    /// Revokes the principal's tokens and sessions that were issued until now.
    ///
    /// # Errors
    /// [`Error::ParameterInvalid`] if the principal is invalid.
    pub async fn revoke(&self, call: &Call, principal: &str) -> Result<()> {
        self.require_change(call)?;
        let PrincipalPattern::Named(name) = principal.parse()? else {
            return Err(Error::ParameterInvalid(
                "principal: name one user, group, role, account or ServiceAccount".to_owned(),
            ));
        };
        check_text("principal", &name)?;
        let audit = Audit::of(call, AuditAction::SessionRevoke, format!("system:accounts/{name}"));
        self.identity.directory.store().revoke(&name, now_secs(), audit).await?;
        self.identity.directory.load().await
    }

    /// Encrypts secrets with the current key if they are encrypted with an earlier one. Returns how many it encrypted, and
    /// how many no key decrypts.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reencrypt(&self) -> Result<(usize, usize)> {
        let (known, ring) = (self.identity.directory.known(), self.identity.ring.load_full());
        let (mut closed, mut lost) = (0, 0);
        for key in known.keys().filter(|key| !ring.keyring.is_current(&key.encrypted)) {
            let Some(secret) = ring.keyring.decrypt(Purpose::AccessKeys, &key.id, &key.encrypted) else {
                lost += 1;
                continue;
            };
            let encrypted = ring.keyring.encrypt(Purpose::AccessKeys, &key.id, &secret)?;
            closed += usize::from(
                self.identity.directory.store().reencrypt_key(&key.id, key.encrypted.clone(), encrypted).await?,
            );
        }
        Ok((closed, lost))
    }

    fn new_key(
        &self,
        owner: String,
        all_names: Vec<String>,
        description: String,
        expires: Option<i64>,
    ) -> Result<(StoredKey, String)> {
        check_text("description", &description)?;
        let now = now_micros();
        if expires.is_some_and(|at| at <= now) {
            return Err(Error::ParameterInvalid("expiresAt: the time has passed".to_owned()));
        }
        let random = || zot_core::ambient::random_id().simple().to_string();
        let id = format!("ZAK{}", random()[..17].to_uppercase());
        let secret = format!("{}{}", random(), &random()[..8]);
        let encrypted = self.identity.ring.load().keyring.encrypt(Purpose::AccessKeys, &id, secret.as_bytes())?;
        Ok((StoredKey { id, owner, all_names, description, encrypted, disabled: false, expires, created: now }, secret))
    }

    async fn add(
        &self,
        key: StoredKey,
        instead_of: Option<(String, KeyChange)>,
        audit: zot_domain::ports::metadata::Audit,
    ) -> Result<ShownKey, AdministrationError> {
        let id = instead_of.as_ref().map_or_else(String::new, |(id, _)| id.clone());
        let at_most = is_person(&key.owner).then_some(PERSONAL_MAX);
        let added = self.identity.directory.store().add_key(key, at_most, instead_of, audit).await?;
        self.identity.directory.load().await?;
        added.as_ref().map(ShownKey::from).ok_or_else(|| no_key(&id).into())
    }

    /// An access key that the caller may manage. Keys of others are not found.
    async fn owned_key(&self, call: &Call, id: &str) -> Result<StoredKey> {
        if call.principal.is_anonymous() {
            self.authorizer.require(call, Action::Admin, ACCOUNTS)?;
        }
        let known = self.identity.directory.store().identities().await?.keys;
        let key = known.into_iter().find(|key| key.id == id);
        match key {
            Some(key) if person(call).is_some_and(|own| own == key.owner) => Ok(key),
            found => {
                self.authorizer.require(call, Action::Admin, ACCOUNTS)?;
                found.ok_or_else(|| no_key(id))
            }
        }
    }

    fn require_owner(&self, call: &Call, owner: &str) -> Result<()> {
        if person(call).is_some_and(|own| own == owner) && !self.authorizer.settings().read_only {
            return Ok(());
        }
        self.require_change(call)
    }

    /// A read-only store refuses changes of accounts too.
    fn require_change(&self, call: &Call) -> Result<()> {
        self.authorizer.require(call, Action::Admin, ACCOUNTS)?;
        if self.authorizer.settings().read_only {
            return Err(Error::Denied("the store is read-only".to_owned()));
        }
        Ok(())
    }
}

/// The caller, if it is a person with all their rights: no program, no access key and no registry token.
fn person(call: &Call) -> Option<String> {
    let principal: &Principal = &call.principal;
    let with_a_key = principal.names_of("key").next().is_some();
    (is_person(&principal.subject) && principal.bound.is_none() && !with_a_key).then(|| principal.subject.clone())
}

fn is_person(owner: &str) -> bool {
    owner.starts_with("user:") || owner.starts_with("userid:")
}

/// All names of the caller, if the caller owns the key. Denials and revocations of these names apply to the key too.
fn owner_names(call: &Call, owner: &str) -> Option<Vec<String>> {
    person(call).is_some_and(|own| own == owner).then(|| call.principal.all_names().to_vec())
}

fn check_account(account: &Account) -> Result<()> {
    let name_is_good = (1..=63).contains(&account.name.len())
        && account.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if !name_is_good {
        return Err(Error::ParameterInvalid("name: 1 to 63 of a-z, 0-9, '-', '_' and '.'".to_owned()));
    }
    check_text("description", &account.description)?;
    for (field, names) in [("roles", &account.roles), ("groups", &account.groups)] {
        if names.len() > LIST_MAX {
            return Err(Error::ParameterInvalid(format!("{field}: at most {LIST_MAX} names are allowed")));
        }
        if names.iter().any(String::is_empty) {
            return Err(Error::ParameterInvalid(format!("{field}: a name is empty")));
        }
        names.iter().try_for_each(|name| check_text(field, name))?;
    }
    Ok(())
}

fn check_text(field: &str, text: &str) -> Result<()> {
    if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        return Err(Error::ParameterInvalid(format!("{field}: the text is too long or has a control character")));
    }
    Ok(())
}

fn no_account(name: &str) -> Error {
    Error::NotFound(format!("account {name:?} does not exist"))
}

fn no_key(id: &str) -> Error {
    Error::NotFound(format!("access key {id:?} does not exist"))
}
