//! The accounts, access keys and revocations of the database, in memory. They are read again when their epoch changes.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use zot_core::principal::Principal;
use zot_domain::ports::identities::{Account, Identities, Snapshot, StoredKey};
use zot_domain::{Error, Result};

use crate::credentials::invalid;

/// The directory. All clones of its contents are one.
pub(crate) struct Directory {
    store: Arc<dyn Identities>,
    known: ArcSwap<Known>,
}

/// The contents at an epoch.
#[derive(Default)]
pub(crate) struct Known {
    epoch: i64,
    accounts: HashMap<String, Account>,
    keys: HashMap<String, StoredKey>,
    revoked: HashMap<String, i64>,
}

impl Directory {
    pub(crate) fn new(store: Arc<dyn Identities>) -> Self {
        Self { store, known: ArcSwap::default() }
    }

    pub(crate) fn store(&self) -> &dyn Identities {
        &*self.store
    }

    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    pub(crate) async fn load(&self) -> Result<()> {
        let read = Arc::new(Known::from(self.store.identities().await?));
        // an older read that ends later does not replace a newer one
        self.known.rcu(|now| if now.epoch > read.epoch { Arc::clone(now) } else { Arc::clone(&read) });
        Ok(())
    }

    /// Reads everything again if something changed.
    pub(crate) async fn follow(&self) -> Result<()> {
        if self.store.identities_epoch().await? == self.known.load().epoch {
            return Ok(());
        }
        self.load().await
    }
}

impl From<Snapshot> for Known {
    fn from(read: Snapshot) -> Self {
        Self {
            epoch: read.epoch,
            accounts: read.accounts.into_iter().map(|account| (account.name.clone(), account)).collect(),
            keys: read.keys.into_iter().map(|key| (key.id.clone(), key)).collect(),
            revoked: read.revoked.into_iter().collect(),
        }
    }
}

impl Known {
    /// An access key in any state.
    pub(crate) fn key(&self, id: &str) -> Option<&StoredKey> {
        self.keys.get(id)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &StoredKey> {
        self.keys.values()
    }

    /// An access key that is valid now, and its principal.
    pub(crate) fn usable(&self, id: &str, now_micros: i64) -> Option<(&StoredKey, Principal)> {
        let key = self.key(id)?;
        if key.disabled || key.expires.is_some_and(|at| at <= now_micros) {
            return None;
        }
        Some((key, self.owner(key)?))
    }

    /// Why an access key is invalid now. Only callers with its secret may see this.
    pub(crate) fn refusal(&self, id: &str, now_micros: i64) -> Error {
        match self.key(id) {
            Some(key) if key.disabled => {
                invalid("the access key is disabled; its owner or an administrator can enable it")
            }
            Some(key) if key.expires.is_some_and(|at| at <= now_micros) => {
                Error::CredentialsExpired("the access key has expired; create a new one".to_owned())
            }
            Some(_) => invalid("the account of the access key is disabled"),
            None => invalid("unknown access key or wrong secret"),
        }
    }

    /// The principal of a key. A person's key has only the name of the person, since roles and groups come from the issuer
    /// with each token. All names at the key's creation count for denials.
    fn owner(&self, key: &StoredKey) -> Option<Principal> {
        let own = [format!("key:{}", key.id)];
        let principal = match key.owner.strip_prefix("account:") {
            Some(name) => self.account(name)?,
            None => known(&key.owner, vec![key.owner.clone()]),
        };
        Some(principal.also(&own).with_all_names(key.all_names.iter().cloned()))
    }

    /// The account of that name with its roles and groups, unless it is disabled.
    pub(crate) fn account(&self, name: &str) -> Option<Principal> {
        let account = self.accounts.get(name).filter(|account| !account.disabled)?;
        let roles = account.roles.iter().map(|role| format!("role:{role}"));
        let groups = account.groups.iter().map(|group| format!("group:{group}"));
        let subject = format!("account:{name}");
        Some(known(&subject, roles.chain(groups).chain([subject.clone()]).collect()))
    }

    /// Whether the principal's tokens and sessions that were issued in that second are revoked.
    pub(crate) fn is_revoked(&self, principal: &Principal, issued: i64) -> bool {
        !self.revoked.is_empty()
            && principal.all_names().iter().any(|name| self.revoked.get(name).is_some_and(|until| issued <= *until))
    }
}

fn known(subject: &str, names: Vec<String>) -> Principal {
    let username = subject.split_once(':').map_or("", |(_, name)| name);
    let claims = [("username".to_owned(), vec![username.to_owned()])].into();
    Principal::known(subject, names, claims)
}
