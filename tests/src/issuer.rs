//! An issuer of tokens that belongs to a test. It signs anything, true or false. [`crate::keycloak`] and [`crate::kube`]
//! are real issuers.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::recorder::Recorder;

/// Where the modulus of a key of 2048 bits and its exponent stand in a `SubjectPublicKeyInfo` (RFC 8017, A.1.1).
const MODULUS: std::ops::Range<usize> = 33..289;
const EXPONENT: std::ops::Range<usize> = 291..294;

/// An issuer with one key (RS256), published at a URL of its own.
pub struct Issuer {
    url: String,
    audience: String,
    kid: String,
    key: KeyPair,
    published: Recorder,
}

impl Issuer {
    /// An issuer with this name and this audience.
    pub async fn start(url: &str, audience: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
        let kid = Uuid::new_v4().to_string();
        let der = key.subject_public_key_info();
        let number = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&der[range]);
        let jwk = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": number(MODULUS), "e": number(EXPONENT),
        });
        let published = Recorder::start(200, json!({ "keys": [jwk] }).to_string()).await;
        Self { url: url.to_owned(), audience: audience.to_owned(), kid, key, published }
    }

    /// Its entry in `extensions.rbac.issuers`: roles are in `roles`, groups in `groups`, names as they are.
    pub fn settings(&self) -> Value {
        json!({
            "name": "own", "issuer": self.url, "audiences": [self.audience], "prefix": "-", "usernameClaim": "name",
            "rolesClaims": ["roles"], "groupsClaims": ["groups"], "jwksUrl": self.keys_url(),
        })
    }

    /// Where its key is published.
    pub fn keys_url(&self) -> String {
        format!("http://{}/keys", self.published.address())
    }

    /// How many requests for its key it got.
    pub fn times_asked(&self) -> usize {
        self.published.asked().len()
    }

    /// Its key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public key, in PEM.
    pub fn public_key(&self) -> String {
        self.key.public_key_pem()
    }

    /// The claims of a valid token of this user. `changes` replace claims; null removes one.
    pub fn claims(&self, user: &str, changes: &Value) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.url, "sub": format!("id-of-{user}"), "aud": self.audience, "iat": now, "exp": now + 3600,
            "name": user,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
        claims
    }

    /// The header of a valid token.
    pub fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid })
    }

    /// A valid token of this user, with these changes.
    pub fn token(&self, user: &str, changes: &Value) -> String {
        self.signed(&self.header(), &self.claims(user, changes).to_string())
    }

    /// Signs these texts with its key, whatever they say.
    pub fn signed(&self, header: &Value, claims: &str) -> String {
        let message = message(header, claims);
        let signature = self.key.sign(message.as_bytes()).expect("a signature");
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that is signed with HS256 and this secret.
pub fn signed_with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, &claims.to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn message(header: &Value, claims: &str) -> String {
    format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()), BASE64_URL_SAFE_NO_PAD.encode(claims))
}
