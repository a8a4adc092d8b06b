//! Secrets, and the keys derived from them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::scope::Scope;

/// Where secrets come from. Called once for each signed request, so it answers from memory.
pub trait Keys: Send + Sync {
    /// The secret of an access key, or nothing if there is no such key now.
    ///
    /// Temporary credentials need their session token. There is no secret for a token of another key, an expired token,
    /// a token with a permanent key, or a temporary key without its token.
    fn lookup(&self, access_key: &str, session_token: Option<&str>) -> Option<Secret>;
}

/// A secret access key. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    fingerprint: [u8; 32],
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        let fingerprint = Sha256::digest(text.as_bytes()).into();
        Self { text, fingerprint }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// HMAC-SHA256 of the parts one after the other (RFC 2104).
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key shorter than the block is padded with zeros, a longer one hashed first: RFC 2104 section 2. Doing it here
    // leaves no error to handle.
    let mut block = Zeroizing::new([0_u8; 64]);
    if let Some(head) = block.get_mut(..key.len()) {
        head.copy_from_slice(key);
    } else if let Some(head) = block.get_mut(..32) {
        head.copy_from_slice(&Sha256::digest(key));
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key for one day, region and service: "Create a signed AWS API request", step 3.
#[derive(Clone)]
pub(super) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    pub(super) fn derive(secret: &Secret, scope: &Scope) -> Self {
        let start = Zeroizing::new(format!("AWS4{}", secret.text.as_str()));
        let steps = [&*scope.date, &*scope.region, &*scope.service, "aws4_request"];
        let mut key = Zeroizing::new(hmac(start.as_bytes(), &[steps[0].as_bytes()]));
        for step in &steps[1..] {
            key = Zeroizing::new(hmac(&*key, &[step.as_bytes()]));
        }
        Self(key)
    }

    /// The signature of a string, in lower-case hexadecimal.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        hex64(&hmac(&*self.0, parts))
    }
}

/// A digest in lower-case hexadecimal.
pub(super) fn hex64(digest: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    text
}

/// Caches derived keys: a client costs four HMACs a day instead of four per request.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, ([u8; 32], SigningKey)>>);

/// More entries than clients in one day. If unknown keys fill the cache, each client costs one more derivation.
const CACHED: usize = 1024;

impl Cache {
    /// The key for an access key and scope. The fingerprint detects a new secret.
    pub(super) fn get(&self, access_key: &str, secret: &Secret, scope: &Scope) -> SigningKey {
        // the parts of a scope have no slash, so no two pairs share a name
        let name = format!("{}/{access_key}", scope.text());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((fingerprint, key)) = kept.get(&name)
            && *fingerprint == secret.fingerprint
        {
            return key.clone();
        }
        let key = SigningKey::derive(secret, scope);
        if kept.len() >= CACHED {
            kept.clear();
        }
        kept.insert(name, (secret.fingerprint, key.clone()));
        key
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
