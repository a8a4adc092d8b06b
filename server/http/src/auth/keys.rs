//! Access keys, and the signing key of registry tokens.

use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zot_domain::{Error, Principal, Result};

use super::token::{Claims, Verified};

/// An access key: an id that may be seen, and a secret.
pub struct AccessKey {
    id: String,
    secret: String,
    principal: Principal,
}

impl AccessKey {
    /// A key of that principal.
    pub fn new(id: String, secret: String, principal: Principal) -> Self {
        Self { id, secret, principal }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn principal(&self) -> Principal {
        self.principal.clone()
    }

    /// Compares hashes, so that neither length nor a common beginning shows in the time.
    pub(crate) fn matches(&self, id: &str, secret: &str) -> bool {
        let same = |a: &str, b: &str| Sha256::digest(a).ct_eq(&Sha256::digest(b));
        bool::from(same(&self.id, id) & same(&self.secret, secret))
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("principal", &self.principal.subject)
            .finish_non_exhaustive()
    }
}

/// Seconds for which the clocks of two replicas may differ.
const LEEWAY_SECS: u64 = 30;

/// Signs and verifies registry tokens (ES256).
pub struct TokenKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    key_id: String,
    service: String,
}

impl TokenKey {
    /// The key that belongs to this secret and store: whoever changes the secret ends all tokens.
    pub(crate) fn derive(secret: &str, store_id: &str, service: &str) -> Result<Self> {
        let failed = |what: &str| Error::Internal(format!("token key: {what}"));
        let hkdf = Hkdf::<Sha256>::new(Some(store_id.as_bytes()), secret.as_bytes());
        // a 256-bit number is no valid P-256 scalar once in 2^32: then the next one is taken
        let candidate = |counter: u8| {
            let mut scalar = [0; 32];
            hkdf.expand(&[b"zot-artifact-store registry token ".as_slice(), &[counter]].concat(), &mut scalar).ok()?;
            SecretKey::from_slice(&scalar).ok()
        };
        let key = (0..=u8::MAX).find_map(candidate).ok_or_else(|| failed("no scalar"))?;
        let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| failed("encoding"))?;
        let public = key.public_key().to_public_key_pem(LineEnding::LF).map_err(|_| failed("encoding"))?;
        Ok(Self {
            encoding: EncodingKey::from_ec_pem(private.as_bytes()).map_err(|_| failed("private key"))?,
            decoding: DecodingKey::from_ec_pem(public.as_bytes()).map_err(|_| failed("public key"))?,
            key_id: hex::encode(&Sha256::digest(&public)[..8]),
            service: service.to_owned(),
        })
    }

    /// The audience of tokens.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Result<String> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.encoding)
            .map_err(|error| Error::Internal(format!("token: {error}")))
    }

    /// Checks signature, issuer, audience and times. Key material in the token's own header is never looked at.
    pub(crate) fn verify(&self, token: &str) -> Result<Verified> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.service]);
        validation.set_issuer(&[&self.service]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation)
            .map_err(|_| Error::CredentialsInvalid("the token is invalid or expired; ask for a new one".to_owned()))?;
        Ok(data.claims.into_verified())
    }
}
