//! Tokens that were verified a moment ago: a client sends the same one with each of its requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Tokens that are remembered. When there are more, all are forgotten, and verified again.
const MOST: usize = 10_000;

/// A token's digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// What came of tokens, by their digests. It counts as long as the keys are the same that verified them.
pub(crate) struct Remembered<K, V>(Mutex<HashMap<Digest, Entry<K, V>>>);

/// The keys that verified a token, until when it is good, and what came of it.
type Entry<K, V> = (Arc<K>, i64, V);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V: Clone> Remembered<K, V> {
    /// What came of a token, unless the keys are others now, or it has expired.
    pub(crate) fn get(&self, token: Digest, keys: &Arc<K>, now: i64) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, expires, value) = known.get(&token)?;
        // no leeway for clocks here: at its end it is looked at once more
        (Arc::ptr_eq(of, keys) && now < *expires).then(|| value.clone())
    }

    /// Remembers a token that these keys verified, until it expires.
    pub(crate) fn put(&self, token: Digest, keys: Arc<K>, expires: i64, value: V) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(token, (keys, expires, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_counts_until_it_expires_or_the_keys_change() {
        let remembered = Remembered::default();
        let (keys, others) = (Arc::new("keys"), Arc::new("keys"));
        let of = Digest::of;
        remembered.put(of("token"), Arc::clone(&keys), 100, "alice");
        assert_eq!(remembered.get(of("token"), &keys, 99), Some("alice"));
        assert_eq!(remembered.get(of("token"), &keys, 100), None);
        assert_eq!(remembered.get(of("token"), &others, 99), None, "the same text, and fetched anew");
        assert_eq!(remembered.get(of("other"), &keys, 99), None);
        for number in 0..MOST {
            remembered.put(of(&number.to_string()), Arc::clone(&keys), 100, "x");
        }
        assert!(remembered.0.lock().unwrap().len() <= MOST);
    }
}
