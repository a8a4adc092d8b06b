//! Registry tokens: what `/auth/token` hands out and `/v2` takes. Signed by the store itself (ES256) with a key out of the
//! keyring, so that replicas agree on it without storing it, and a rotation ends no token before its time.
//!
//! A token is an identity and an upper bound; what its holder may do is decided anew each time.
//! Source: Docker Registry v2 *Token Authentication*.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zot_core::action::Action;
use zot_core::principal::Principal;
use zot_core::principal::{Grant, GrantTarget};
use zot_domain::{Error, Result};

use crate::keyring::{Keyring, Master, Purpose};

/// Lifetime of a token in seconds: long enough for one push, short enough to forget about revocation lists.
pub const LIFETIME_SECS: i64 = 300;
/// Seconds for which the clocks of two replicas may differ.
const LEEWAY_SECS: u64 = 30;
/// Claims that speak of the token that somebody came with, not of them.
const OF_THE_TOKEN: [&str; 12] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "at_hash", "sid", "session_state"];

/// What a token says.
#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    #[serde(default)]
    access: Vec<Access>,
    /// The access key by which its holder came: roles are then those that the key has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Who its holder is, where an issuer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
}

/// What a trusted issuer said of somebody.
#[derive(Debug, Deserialize, Serialize)]
struct Who {
    names: Vec<String>,
    claims: BTreeMap<String, Vec<String>>,
}

/// One entry of the claim `access`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Access {
    /// `repository` or `registry`.
    pub r#type: String,
    /// Which one.
    pub name: String,
    /// `pull`, `push`, `delete` or `*`.
    pub actions: Vec<String>,
}

impl Access {
    fn into_grant(self) -> Option<Grant> {
        let target = match self.r#type.as_str() {
            "repository" => GrantTarget::Repository(self.name),
            "registry" if self.name == "catalog" => GrantTarget::Catalog,
            _ => return None,
        };
        Some(Grant { target, actions: self.actions.iter().flat_map(|name| actions_of(name)).copied().collect() })
    }
}

/// The store's actions behind the protocol's.
pub fn actions_of(name: &str) -> &'static [Action] {
    match name {
        "pull" => &[Action::Read, Action::List],
        "push" => &[Action::Create, Action::Update],
        "delete" => &[Action::Delete],
        "*" => &Action::ALL,
        _ => &[],
    }
}

/// A token whose signature and times are right.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub holder: Holder,
    pub grants: Vec<Grant>,
    /// When it was issued, in seconds since 1970.
    pub issued: i64,
    /// Until when it is good, in seconds since 1970.
    pub expires: i64,
}

/// Who came with a token.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// Whoever holds that access key.
    Key(String),
    /// Somebody whom an issuer named.
    Known(Principal),
    Anonymous,
}

/// Signs with the key in use, and verifies with those of before a rotation too.
pub(crate) struct TokenKeys {
    service: String,
    keys: Vec<Key>,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl TokenKeys {
    pub(crate) fn new(keyring: &Keyring, service: &str) -> Result<Self> {
        let keys = keyring.masters().iter().map(Key::derive).collect::<Result<_>>()?;
        Ok(Self { service: service.to_owned(), keys })
    }

    /// A token for somebody who came by `key`, or was named by an issuer.
    pub(crate) fn sign(&self, principal: &Principal, access: Vec<Access>, now: i64) -> Result<String> {
        let key = principal.names_of("key").next().map(ToOwned::to_owned);
        let who = (key.is_none() && !principal.is_anonymous()).then(|| Who {
            names: principal.names().to_vec(),
            claims: principal
                .claims
                .iter()
                .filter(|(name, _)| !OF_THE_TOKEN.contains(&name.as_str()))
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect(),
        });
        let claims = Claims {
            iss: self.service.clone(),
            sub: principal.subject.clone(),
            aud: self.service.clone(),
            exp: now + LIFETIME_SECS,
            nbf: now,
            iat: now,
            jti: zot_core::ambient::random_id().to_string(),
            access,
            key,
            who,
        };
        let used = self.keys.first().ok_or_else(|| failed("no key"))?;
        let header = Header { kid: Some(used.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &used.encoding).map_err(|error| failed(&error.to_string()))
    }

    /// Checks signature, issuer, audience and times. Key material in the token's own header is never looked at.
    pub(crate) fn verify(&self, token: &str, kid: Option<&str>) -> Result<Verified> {
        let invalid = |why: &str| Error::CredentialsInvalid(format!("the registry token {why}; ask for a new one"));
        let key = self.keys.iter().find(|key| Some(key.id.as_str()) == kid);
        let key = key.ok_or_else(|| invalid("is of a key that this store does not use"))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.service]);
        validation.set_issuer(&[&self.service]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                Error::CredentialsExpired("the registry token has expired; ask for a new one".to_owned())
            }
            _ => invalid("is not valid"),
        })?;
        let claims = claims.claims;
        let holder = match (claims.key, claims.who) {
            (Some(key), _) => Holder::Key(key),
            (None, Some(who)) => Holder::Known(Principal::known(&claims.sub, who.names, who.claims)),
            (None, None) if claims.sub == Principal::anonymous().subject => Holder::Anonymous,
            (None, None) => return Err(invalid("names nobody")),
        };
        let grants = claims.access.into_iter().filter_map(Access::into_grant).collect();
        Ok(Verified { holder, grants, issued: claims.iat, expires: claims.exp })
    }
}

impl Key {
    fn derive(master: &Master) -> Result<Self> {
        // a 256-bit number is no valid P-256 scalar once in 2^32: then the next one is taken
        let candidate = |number: u8| SecretKey::from_slice(&master.derive(Purpose::RegistryTokens, number)?).ok();
        let key = (0..=u8::MAX).find_map(candidate).ok_or_else(|| failed("no scalar"))?;
        let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| failed("encoding"))?;
        let public = key.public_key().to_public_key_pem(LineEnding::LF).map_err(|_| failed("encoding"))?;
        Ok(Self {
            id: hex::encode(&Sha256::digest(&public)[..8]),
            encoding: EncodingKey::from_ec_pem(private.as_bytes()).map_err(|_| failed("private key"))?,
            decoding: DecodingKey::from_ec_pem(public.as_bytes()).map_err(|_| failed("public key"))?,
        })
    }
}

fn failed(what: &str) -> Error {
    Error::Internal(format!("registry token: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> TokenKeys {
        let secrets: Vec<_> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        TokenKeys::new(&Keyring::new("store", &secrets).unwrap(), "service").unwrap()
    }

    fn kid(token: &str) -> Option<String> {
        jsonwebtoken::decode_header(token).unwrap().kid
    }

    #[test]
    fn a_token_of_before_a_rotation_is_good_until_it_ends() {
        let now = zot_core::ambient::now().as_second();
        let access = vec![Access { r#type: "repository".into(), name: "a/b".into(), actions: vec!["pull".into()] }];
        let alice = Principal::known("user:alice", ["user:alice".to_owned()], BTreeMap::new());
        let token = keys(&["one"]).sign(&alice, access, now).unwrap();
        let verified = keys(&["two", "one"]).verify(&token, kid(&token).as_deref()).unwrap();
        assert!(matches!(verified.holder, Holder::Known(who) if who == alice));
        assert_eq!(verified.grants[0].target, GrantTarget::Repository("a/b".to_owned()));
        assert!(keys(&["two"]).verify(&token, kid(&token).as_deref()).is_err());
        assert!(keys(&["one"]).verify(&token, None).is_err());
        let old = keys(&["one"]).sign(&alice, Vec::new(), now - 1000).unwrap();
        assert!(matches!(keys(&["one"]).verify(&old, kid(&old).as_deref()), Err(Error::CredentialsExpired(_))));
    }
}
