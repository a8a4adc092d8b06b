//! From credentials to a [`Principal`]: access keys, registry tokens, tokens of trusted issuers, temporary credentials.
//!
//! ```text
//! API -> Identity::principal | signer -> Principal -> policy
//! ```
//! All answers come from memory: [`Identity::follow`] reads the database again when its epoch changes, and issuers' keys are
//! cached. Nothing here knows an API's dialect. `zot-domain` decides what a principal may do.

mod access_key;
mod accounts;
mod credentials;
mod directory;
mod freshness;
mod issuer;
mod jwks;
mod keyring;
mod registry_token;
mod sessions;
mod throttle;
mod token_cache;
mod trusted;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use zot_core::principal::Principal;
use zot_domain::ports::identities::Identities;
use zot_domain::{Error, Result};

pub use access_key::AccessKey;
pub use accounts::{Accounts, NewKey, ShownKey};
pub use credentials::Presented;
pub use issuer::{ClaimPath, Issuer, IssuerConfig, Kind, issuer_of};
pub use jwks::{KeySet, Source};
pub use keyring::{Keyring, Purpose};
pub use registry_token::{Access, LIFETIME_SECS, actions_of};
pub use sessions::{Credentials, LIFETIME_MIN_SECS};

use access_key::same;
use credentials::invalid;
use directory::Directory;
use freshness::Freshness;
use registry_token::{Holder, TokenKeys, Verified};
use throttle::Throttle;
use token_cache::{Digest, TokenCache};
use trusted::Trusted;

/// Longest name of a user, group or role, in bytes, with the prefix of its issuer.
pub(crate) const NAME_MAX: usize = 255;

/// The configuration of [`Identity`].
pub struct Setup {
    /// Access keys from the environment or the data directory, the admin's first.
    pub fixed: Vec<AccessKey>,
    /// The store's id. Keys are derived with it.
    pub store_id: String,
    /// Audience of registry tokens.
    pub service: String,
    /// Master keys, the current one first.
    pub masters: Vec<Vec<u8>>,
    pub issuers: Vec<Issuer>,
    /// Wrong credentials a minute that one address may present for one access key. `None` means any number.
    pub failures_per_minute: Option<u32>,
    /// Longest life of temporary credentials, in seconds.
    pub session_max_secs: i64,
}

/// Finds the principal of credentials. Replicas with the same keys and database give the same answers.
pub struct Identity {
    fixed: Vec<AccessKey>,
    store_id: String,
    service: String,
    ring: ArcSwap<Ring>,
    directory: Directory,
    policies: zot_domain::Access,
    freshness: Freshness,
    trusted: Trusted,
    /// A cache of verified registry tokens.
    own: TokenCache<Ring, Verified>,
    throttle: Throttle,
    session_max_secs: i64,
}

/// The store's own keys.
struct Ring {
    keyring: Keyring,
    tokens: TokenKeys,
}

impl Ring {
    fn new(store_id: &str, service: &str, masters: &[Vec<u8>]) -> Result<Self> {
        let keyring = Keyring::new(store_id, masters)?;
        Ok(Self { tokens: TokenKeys::new(&keyring, service)?, keyring })
    }
}

impl Identity {
    /// Identities of this database. They are empty before the first [`Identity::follow`].
    ///
    /// # Errors
    /// [`Error::Internal`] if no key can be derived.
    pub fn new(setup: Setup, store: Arc<dyn Identities>, policies: zot_domain::Access) -> Result<Self> {
        let ring = Ring::new(&setup.store_id, &setup.service, &setup.masters)?;
        Ok(Self {
            fixed: setup.fixed,
            store_id: setup.store_id,
            service: setup.service,
            ring: ArcSwap::from_pointee(ring),
            directory: Directory::new(store),
            policies,
            freshness: Freshness::default(),
            trusted: Trusted::new(setup.issuers),
            own: TokenCache::default(),
            throttle: Throttle::new(setup.failures_per_minute),
            session_max_secs: setup.session_max_secs,
        })
    }

    /// Replaces the master keys, the current one first. Secrets that earlier keys encrypted stay readable as long as those
    /// keys are among them.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn rotate(&self, masters: &[Vec<u8>]) -> Result<()> {
        self.ring.store(Arc::new(Ring::new(&self.store_id, &self.service, masters)?));
        Ok(())
    }

    /// Reads changes of the database, policies included.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the last state stays.
    pub async fn follow(&self) -> Result<()> {
        self.freshness.renew(self.look()).await
    }

    /// Reads changes unless that was done within the last second, so that revocations on other replicas apply here.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn fresh(&self) -> Result<()> {
        self.freshness.ensure(self.look()).await
    }

    async fn look(&self) -> Result<()> {
        for closed in self.policies.follow().await? {
            tracing::error!("{closed}");
        }
        self.directory.follow().await
    }

    /// The number of access keys in the database that these master keys cannot decrypt.
    pub fn unopened(&self) -> usize {
        let (known, ring) = (self.directory.known(), self.ring.load());
        known.keys().filter(|key| ring.keyring.decrypt(Purpose::AccessKeys, &key.id, &key.encrypted).is_none()).count()
    }

    /// The audience of registry tokens, which challenges announce.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The configuration of the trusted issuers.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerConfig> {
        self.trusted.issuers().map(Issuer::config)
    }

    /// Names of trusted issuers that did not answer the last request for their keys.
    pub async fn unreachable_issuers(&self) -> Vec<String> {
        self.trusted.unreachable().await
    }

    /// A registry token for a principal, limited to that access.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn registry_token(&self, principal: &Principal, access: Vec<Access>, now: i64) -> Result<String> {
        self.ring.load().tokens.sign(principal, access, now)
    }

    /// The secret of a valid access key, for APIs that verify signatures. Temporary credentials need their session token.
    pub fn signing_secret(&self, id: &str, session_token: Option<&str>) -> Option<String> {
        let ring = self.ring.load();
        if let Some(token) = session_token {
            return sessions::decrypt(&ring.keyring, id, token, now_secs()).ok().map(|session| session.secret_key);
        }
        self.holder(id)?;
        self.secret(id)
    }

    /// The secret of an access key, which may be invalid now.
    fn secret(&self, id: &str) -> Option<String> {
        if let Some(key) = self.fixed_key(id) {
            return Some(key.secret().to_owned());
        }
        let encrypted = self.directory.known().key(id)?.encrypted.clone();
        String::from_utf8(self.ring.load().keyring.decrypt(Purpose::AccessKeys, id, &encrypted)?).ok()
    }

    /// The principal of an access key, after its signature was verified.
    ///
    /// # Errors
    /// [`Error::CredentialsInvalid`] if the key became invalid; [`Error::Unavailable`].
    pub async fn signer(&self, id: &str, session_token: Option<&str>) -> Result<Principal> {
        self.fresh().await?;
        let Some(token) = session_token else {
            return self.holder(id).ok_or_else(|| invalid("the access key was deleted, is disabled or has expired"));
        };
        let session = sessions::decrypt(&self.ring.load().keyring, id, token, now_secs())?;
        self.unless_revoked(session.principal, session.issued)
    }

    /// Temporary credentials for the holder of a trusted issuer's token. `role` limits them to one of the holder's roles.
    ///
    /// # Errors
    /// [`Error::CredentialsInvalid`], [`Error::CredentialsExpired`], [`Error::Denied`] for a role that they do not have,
    /// [`Error::ParameterInvalid`] for a lifetime out of range, [`Error::Unavailable`].
    pub async fn session(
        &self,
        token: &str,
        role: Option<&str>,
        lifetime_secs: Option<i64>,
        address: Option<IpAddr>,
    ) -> Result<(Credentials, Principal)> {
        let principal = self.bearer(token, address).await.principal?;
        if principal.bound.is_some() {
            return Err(invalid("a registry token cannot be exchanged; send the token of a trusted issuer"));
        }
        let principal = match role {
            None => principal,
            Some(role) => principal.as_role(role).ok_or_else(|| {
                Error::Denied(format!(
                    "{} does not have the role {role}; role/self keeps all of their rights",
                    principal.subject
                ))
            })?,
        };
        let lifetime = lifetime_secs.unwrap_or(sessions::LIFETIME_DEFAULT_SECS.min(self.session_max_secs));
        if !(LIFETIME_MIN_SECS..=self.session_max_secs).contains(&lifetime) {
            return Err(Error::ParameterInvalid(format!(
                "DurationSeconds must be {LIFETIME_MIN_SECS} to {} (auth.sessionMaxDuration)",
                self.session_max_secs
            )));
        }
        let now = now_secs();
        let credentials = sessions::issue(&self.ring.load().keyring, &principal, now, now + lifetime)?;
        Ok((credentials, principal))
    }

    /// Refuses credentials of an address that sent too many wrong ones.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn admit(&self, address: Option<IpAddr>, key: Option<&str>) -> Result<()> {
        self.throttle.admit(address, key)
    }

    /// Counts a wrong signature of that address.
    pub fn failed(&self, address: Option<IpAddr>, key: Option<&str>) {
        self.throttle.failed(address, key);
    }

    fn fixed_key(&self, id: &str) -> Option<&AccessKey> {
        self.fixed.iter().find(|key| key.id() == id)
    }

    /// The principal of an account (`account:NAME`) or an access key (`key:ID`), with its roles and groups. There is none if
    /// it does not exist or is not accepted now.
    pub fn named(&self, name: &str) -> Option<Principal> {
        match name.split_once(':')? {
            ("account", name) => self.directory.known().account(name),
            ("key", id) => self.holder(id),
            _ => None,
        }
    }

    /// The principal of a valid access key.
    fn holder(&self, id: &str) -> Option<Principal> {
        if let Some(key) = self.fixed_key(id) {
            return Some(key.principal().clone());
        }
        self.directory.known().usable(id, now_micros()).map(|(_, principal)| principal)
    }

    /// Compares a secret. An unknown key takes the same time.
    fn check(&self, id: &str, secret: &str) -> Result<Principal> {
        let kept = self.secret(id);
        let right = same(kept.as_deref().unwrap_or("no such key").as_bytes(), secret.as_bytes());
        if !right || kept.is_none() {
            return Err(invalid("unknown access key or wrong secret"));
        }
        // only a caller with the secret learns why the key is invalid
        self.holder(id).ok_or_else(|| self.directory.known().refusal(id, now_micros()))
    }

    /// The principal of a token.
    async fn token(&self, token: &str) -> Result<Principal> {
        let (digest, ring) = (Digest::of(token), self.ring.load_full());
        if let Some(verified) = self.own.get(digest, &ring, now_secs()) {
            return self.token_holder(verified);
        }
        if let Some(verified) = self.trusted.cached(digest).await {
            return self.unless_revoked(verified.principal, verified.issued);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid("the token is malformed"))?;
        let issuer = issuer::issuer_of(token)?;
        if issuer == self.service {
            let verified = ring.tokens.verify(token, header.kid.as_deref())?;
            self.own.put(digest, ring, verified.expires, verified.clone());
            return self.token_holder(verified);
        }
        let verified = self.trusted.verify(token, &issuer, &header).await?;
        self.unless_revoked(verified.principal, verified.issued)
    }

    /// The holder of a registry token, with their current rights.
    fn token_holder(&self, verified: Verified) -> Result<Principal> {
        let principal = match verified.holder {
            Holder::Anonymous => Principal::anonymous(),
            Holder::Known(principal) => self.unless_revoked(principal, verified.issued)?,
            Holder::Key(id) => {
                let holder = self
                    .holder(&id)
                    .ok_or_else(|| invalid("the token's access key was deleted, is disabled or has expired"))?;
                self.unless_revoked(holder, verified.issued)?
            }
        };
        Ok(principal.bounded(verified.grants))
    }

    fn unless_revoked(&self, principal: Principal, issued: i64) -> Result<Principal> {
        if self.directory.known().is_revoked(&principal, issued) {
            return Err(invalid("the token or session was revoked; log in again"));
        }
        Ok(principal)
    }
}

fn now_secs() -> i64 {
    zot_core::ambient::now().as_second()
}

fn now_micros() -> i64 {
    zot_core::ambient::now().as_microsecond()
}
