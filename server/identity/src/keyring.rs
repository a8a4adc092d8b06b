//! The store's own keys, all derived from master keys that come from a Secret: for secrets of access keys at rest, for
//! sessions, and for registry tokens.
//!
//! The first master key is the current one. Earlier keys only decrypt.
//! Sources: RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zot_domain::{Error, Result};

/// Bytes of a master key.
const MASTER_LEN: usize = 32;

/// The keys. Replicas of one store have the same.
pub struct Keyring {
    masters: Vec<Master>,
}

pub(crate) struct Master {
    id: String,
    secret: [u8; MASTER_LEN],
}

impl Master {
    /// A key for a purpose and a number.
    pub(crate) fn derive(&self, purpose: Purpose, number: u8) -> Option<[u8; 32]> {
        let mut out = [0; 32];
        let hkdf = Hkdf::<Sha256>::from_prk(&self.secret).ok()?;
        hkdf.expand(&[purpose.label(), &[number]].concat(), &mut out).ok()?;
        Some(out)
    }
}

/// The purpose of a derived key. A key decrypts only secrets of its own purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Secrets of access keys in the database.
    AccessKeys,
    /// Session tokens of temporary credentials.
    Sessions,
    /// The signing key of registry tokens.
    RegistryTokens,
    /// Signatures over the audit trail.
    Audit,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AccessKeys => b"zot-artifact-store access keys",
            Self::Sessions => b"zot-artifact-store sessions",
            Self::RegistryTokens => b"zot-artifact-store registry token ",
            Self::Audit => b"zot-artifact-store audit trail",
        }
    }
}

impl Keyring {
    /// A keyring of these master keys for one store. The first key is the current one.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none.
    pub fn new(store_id: &str, secrets: &[Vec<u8>]) -> Result<Self> {
        if secrets.iter().all(Vec::is_empty) {
            return Err(Error::Internal("a keyring without a key".to_owned()));
        }
        let master = |secret: &Vec<u8>| {
            // any length is accepted, and each store gets a key of its own
            let mut key = [0; MASTER_LEN];
            let hkdf = Hkdf::<Sha256>::new(Some(store_id.as_bytes()), secret);
            hkdf.expand(b"zot-artifact-store master key", &mut key).map_err(|_| failed("expanding"))?;
            Ok(Master { id: hex::encode(&Sha256::digest(key)[..4]), secret: key })
        };
        Ok(Self { masters: secrets.iter().map(master).collect::<Result<_>>()? })
    }

    /// The id of the current key.
    pub fn current(&self) -> &str {
        self.masters.first().map_or("", |master| master.id.as_str())
    }

    /// The master keys, the current one first.
    pub(crate) fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// A key for a purpose, derived from the current master key.
    pub fn derived(&self, purpose: Purpose) -> Option<[u8; 32]> {
        self.masters.first()?.derive(purpose, 0)
    }

    /// Encrypts a text. `about` must be the same for decryption. Returns the key's id, the nonce and the ciphertext in one.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn encrypt(&self, purpose: Purpose, about: &str, text: &[u8]) -> Result<Vec<u8>> {
        let master = self.masters.first().ok_or_else(|| failed("no key"))?;
        let key = master.derive(purpose, 0).ok_or_else(|| failed("deriving"))?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed("random numbers"))?;
        let mut encrypted = text.to_vec();
        let cipher = cipher(&key)?;
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        cipher
            .seal_in_place_append_tag(nonce_used, Aad::from(about), &mut encrypted)
            .map_err(|_| failed("encrypting"))?;
        let id = hex::decode(&master.id).map_err(|_| failed("its id"))?;
        Ok([id, nonce.to_vec(), encrypted].concat())
    }

    /// Decrypts with any of the master keys. Returns nothing if no key fits, or if the ciphertext was changed.
    pub fn decrypt(&self, purpose: Purpose, about: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = encrypted.split_at_checked(4)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let id = hex::encode(id);
        let key = self.masters.iter().find(|master| master.id == id)?.derive(purpose, 0)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let length = cipher(&key).ok()?.open_in_place(nonce, Aad::from(about), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// Whether a ciphertext was encrypted with the current key.
    pub fn is_current(&self, encrypted: &[u8]) -> bool {
        encrypted.get(..4).is_some_and(|id| hex::encode(id) == self.current())
    }
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| failed("its length"))
}

fn failed(what: &str) -> Error {
    Error::Internal(format!("keyring: {what}"))
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("current", &self.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(secrets: &[&str]) -> Keyring {
        let secrets: Vec<_> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        Keyring::new("store", &secrets).unwrap()
    }

    #[test]
    fn secrets_of_before_a_rotation_can_be_decrypted() {
        let old = keyring(&["one"]);
        let encrypted = old.encrypt(Purpose::AccessKeys, "ZAK1", b"secret").unwrap();
        let rotated = keyring(&["two", "one"]);
        assert_eq!(rotated.decrypt(Purpose::AccessKeys, "ZAK1", &encrypted).unwrap(), b"secret");
        assert!(old.is_current(&encrypted) && !rotated.is_current(&encrypted));
        assert_eq!(keyring(&["two"]).decrypt(Purpose::AccessKeys, "ZAK1", &encrypted), None);
    }

    #[test]
    fn changed_and_foreign_ciphertexts_are_not_decrypted() {
        let keys = keyring(&["one"]);
        let encrypted = keys.encrypt(Purpose::AccessKeys, "ZAK1", b"secret").unwrap();
        assert_eq!(keys.decrypt(Purpose::AccessKeys, "ZAK2", &encrypted), None, "of another key");
        assert_eq!(keys.decrypt(Purpose::Sessions, "ZAK1", &encrypted), None, "for another purpose");
        for at in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[at] ^= 1;
            assert_eq!(keys.decrypt(Purpose::AccessKeys, "ZAK1", &changed), None, "byte {at}");
            assert_eq!(keys.decrypt(Purpose::AccessKeys, "ZAK1", &encrypted[..at]), None, "cut at {at}");
        }
        let other = Keyring::new("other store", &[b"one".to_vec()]).unwrap();
        assert_eq!(other.decrypt(Purpose::AccessKeys, "ZAK1", &encrypted), None, "of another store");
    }

    #[test]
    fn nothing_is_encrypted_twice_alike() {
        let keys = keyring(&["one"]);
        let encrypt = || keys.encrypt(Purpose::Sessions, "", b"x").unwrap();
        assert_ne!(encrypt(), encrypt());
    }
}
