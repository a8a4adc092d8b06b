//! A cache of verified tokens: a client sends the same one with each of its requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Most cached tokens. If there are more, the cache is emptied, and tokens are verified again.
const MOST: usize = 10_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Results by the digests of tokens. A result is valid as long as the issuer's keys stay the same.
pub(crate) struct TokenCache<K, V>(Mutex<HashMap<Digest, Entry<K, V>>>);

/// The keys that verified a token, its expiry, and the result.
type Entry<K, V> = (Arc<K>, i64, V);

impl<K, V> Default for TokenCache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V: Clone> TokenCache<K, V> {
    /// The result for a token, unless the keys have changed or it has expired.
    pub(crate) fn get(&self, token: Digest, keys: &Arc<K>, now: i64) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, expires, value) = known.get(&token)?;
        // no leeway for clocks here: an expired token is verified once more
        (Arc::ptr_eq(of, keys) && now < *expires).then(|| value.clone())
    }

    /// Caches a token that these keys verified, until it expires.
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
        let cache = TokenCache::default();
        let (keys, others) = (Arc::new("keys"), Arc::new("keys"));
        let of = Digest::of;
        cache.put(of("token"), Arc::clone(&keys), 100, "alice");
        assert_eq!(cache.get(of("token"), &keys, 99), Some("alice"));
        assert_eq!(cache.get(of("token"), &keys, 100), None);
        assert_eq!(cache.get(of("token"), &others, 99), None, "the same text, and fetched anew");
        assert_eq!(cache.get(of("other"), &keys, 99), None);
        for number in 0..MOST {
            cache.put(of(&number.to_string()), Arc::clone(&keys), 100, "x");
        }
        assert!(cache.0.lock().unwrap().len() <= MOST);
    }
}
