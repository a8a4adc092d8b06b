//! The keys that sign the roots of the audit trail. They are derived from the master keys, so that all replicas have
//! them and earlier signatures can be verified after a rotation.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zot_domain::audit::Signer;
use zot_identity::{Keyring, Purpose};

use crate::error::Error;

/// Keys for HMAC-SHA-256 with their ids, the key in use first.
pub(crate) struct AuditKeys(Vec<(String, [u8; 32])>);

impl AuditKeys {
    pub(crate) fn derive(masters: &[Vec<u8>], store_id: &str) -> Result<Self, Error> {
        let key = |master: &Vec<u8>| {
            let keyring = Keyring::new(store_id, std::slice::from_ref(master))?;
            let failed = || zot_domain::Error::Internal("no key for the audit trail can be derived".to_owned());
            let key = keyring.derived(Purpose::Audit).ok_or_else(failed)?;
            Ok::<_, zot_domain::Error>((keyring.current().to_owned(), key))
        };
        Ok(Self(masters.iter().map(key).collect::<Result<_, _>>()?))
    }
}

fn mac(key: &[u8], message: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac)
}

impl Signer for AuditKeys {
    fn key_id(&self) -> &str {
        self.0.first().map_or("", |(id, _)| id)
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mac = self.0.first().and_then(|(_, key)| mac(key, message));
        mac.map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
    }

    fn verify(&self, key_id: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let (_, key) = self.0.iter().find(|(id, _)| id == key_id)?;
        Some(mac(key, message)?.verify_slice(signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(masters: &[&str], store_id: &str) -> AuditKeys {
        let masters: Vec<_> = masters.iter().map(|master| master.as_bytes().to_vec()).collect();
        AuditKeys::derive(&masters, store_id).unwrap()
    }

    #[test]
    fn a_signature_is_of_one_key_store_and_message() {
        let one = keys(&["one"], "store");
        let signature = one.sign(b"message");
        let id = one.key_id();
        assert_eq!(one.verify(id, b"message", &signature), Some(true));
        assert_eq!(one.verify(id, b"massage", &signature), Some(false));
        assert_eq!(one.verify(id, b"message", b""), Some(false));
        for other in [keys(&["two"], "store"), keys(&["one"], "elsewhere")] {
            assert_ne!(other.key_id(), id);
            assert_eq!(other.verify(id, b"message", &signature), None);
            assert_eq!(other.verify(other.key_id(), b"message", &signature), Some(false));
        }
    }

    #[test]
    fn what_was_signed_before_a_rotation_verifies() {
        let (old, rotated) = (keys(&["one"], "store"), keys(&["two", "one"], "store"));
        let signature = old.sign(b"message");
        assert_eq!(rotated.verify(old.key_id(), b"message", &signature), Some(true));
        assert_ne!(rotated.key_id(), old.key_id());
        assert_eq!(old.verify(rotated.key_id(), b"message", &rotated.sign(b"message")), None);
    }
}
