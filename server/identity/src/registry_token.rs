//! Registry tokens, which `/auth/token` issues and `/v2` accepts. The store signs them (ES256) with a key of the keyring, so
//! that replicas agree on the key without storing it. Tokens stay valid after a rotation of the master key.
//!
//! A token is an identity and an upper bound. The store decides at each request what its holder may do.
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
/// Claims that describe the original token and not its holder.
const OF_THE_TOKEN: [&str; 12] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "at_hash", "sid", "session_state"];

/// The claims of a token.
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
    /// The holder's access key. The holder then has the key's current roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The holder, if an issuer named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
}

/// A trusted issuer's description of a person.
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

/// The store's actions for an action of the protocol.
pub fn actions_of(name: &str) -> &'static [Action] {
    match name {
        "pull" => &[Action::Read, Action::List],
        "push" => &[Action::Create, Action::Update],
        "delete" => &[Action::Delete],
        "*" => &Action::ALL,
        _ => &[],
    }
}

/// A token with a valid signature and valid times.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub holder: Holder,
    pub grants: Vec<Grant>,
    /// When it was issued, in seconds since 1970.
    pub issued: i64,
    /// Expiry, in seconds since 1970.
    pub expires: i64,
}

/// The holder of a token.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// The holder of that access key.
    Key(String),
    /// A principal whom an issuer named.
    Known(Principal),
    Anonymous,
}

/// Signs with the current key, and verifies with earlier ones too.
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

    /// A token for a principal with an access key, or one whom an issuer named.
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

    /// Checks signature, issuer, audience and times. Keys in the token's own header are ignored.
    pub(crate) fn verify(&self, token: &str, kid: Option<&str>) -> Result<Verified> {
        let invalid = |why: &str| Error::CredentialsInvalid(format!("the registry token {why}; request a new one"));
        let key = self.keys.iter().find(|key| Some(key.id.as_str()) == kid);
        let key = key.ok_or_else(|| invalid("is signed with a key that this store does not use"))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.service]);
        validation.set_issuer(&[&self.service]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                Error::CredentialsExpired("the registry token has expired; request a new one".to_owned())
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
        // once in 2^32, a 256-bit number is not a valid P-256 scalar: the next number is used then
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
