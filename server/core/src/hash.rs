//! Hashes in progress. They can be saved, and another replica can continue them.

use std::fmt;

use md5::Md5;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

use crate::checksum;
use crate::digest::{Algorithm, Digest};
use crate::invalid::{Invalid, Result};

/// The results of a finished [`Hasher`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, the identity. It is always computed.
    pub sha256: Digest,
    /// SHA-512, if it was requested.
    pub sha512: Option<Digest>,
    /// The values for S3, if they were requested.
    pub object: Option<ObjectSums>,
}

/// The values that S3 has in addition to the digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSums {
    /// MD5 in hex: the entity tag.
    pub md5: String,
    /// A checksum in base64.
    pub checksum: (checksum::Algorithm, String),
}

impl Digests {
    /// The digest of that algorithm, if it was computed.
    pub fn get(&self, algorithm: Algorithm) -> Option<&Digest> {
        match algorithm {
            Algorithm::Sha256 => Some(&self.sha256),
            Algorithm::Sha512 => self.sha512.as_ref(),
        }
    }
}

/// Hashes in progress over the same bytes.
#[derive(Clone)]
pub struct Hasher {
    sha256: Sha256,
    sha512: Option<Sha512>,
    object: Option<ObjectHasher>,
    length: u64,
}

/// MD5 and a checksum in progress. They are separate, so that another thread can compute them.
#[derive(Clone)]
pub struct ObjectHasher {
    md5: Md5,
    checksum: checksum::Running,
}

impl ObjectHasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksum.update(bytes);
    }

    fn finish(self) -> ObjectSums {
        ObjectSums { md5: hex::encode(self.md5.finalize()), checksum: self.checksum.finish() }
    }
}

impl Hasher {
    /// Starts with no bytes. It computes `sha512` too if that is `algorithm`.
    pub fn new(algorithm: Algorithm) -> Self {
        let sha512 = (algorithm == Algorithm::Sha512).then(Sha512::new);
        Self { sha256: Sha256::new(), sha512, object: None, length: 0 }
    }

    /// Starts with no bytes, for S3: it also computes MD5 and that checksum.
    pub fn for_object(checksum: checksum::Algorithm) -> Self {
        let object = ObjectHasher { md5: Md5::new(), checksum: checksum.begin() };
        Self { object: Some(object), ..Self::new(Algorithm::Sha256) }
    }

    /// Removes the part for another thread. It must get the same bytes, and be returned.
    pub fn split_object(&mut self) -> Option<ObjectHasher> {
        self.object.take()
    }

    pub fn join_object(&mut self, object: Option<ObjectHasher>) {
        self.object = object;
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
        if let Some(object) = &mut self.object {
            object.update(bytes);
        }
        self.length += bytes.len() as u64;
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it computes that algorithm.
    pub fn computes(&self, algorithm: Algorithm) -> bool {
        algorithm == Algorithm::Sha256 || self.sha512.is_some()
    }

    /// The digests of all bytes.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: Digest::from_raw(Algorithm::Sha256, &self.sha256.finalize()),
            sha512: self.sha512.map(|h| Digest::from_raw(Algorithm::Sha512, &h.finalize())),
            object: self.object.map(ObjectHasher::finish),
        }
    }

    /// The state, for another replica: see [`Hasher::resume`].
    pub fn save(&self) -> Vec<u8> {
        let mut state = vec![STATE_FORMAT];
        state.extend_from_slice(&self.length.to_be_bytes());
        state.extend_from_slice(&self.sha256.serialize());
        if let Some(sha512) = &self.sha512 {
            state.extend_from_slice(&sha512.serialize());
        }
        state
    }

    /// Continues a state of [`Hasher::save`], of this version or one with the same format.
    ///
    /// # Errors
    /// [`Invalid::HashState`] for a state of another format.
    pub fn resume(state: &[u8]) -> Result<Self> {
        let broken = || Invalid::HashState;
        let (format, rest) = state.split_first().ok_or_else(broken)?;
        if *format != STATE_FORMAT || rest.len() < 8 {
            return Err(broken());
        }
        let (length, rest) = rest.split_at(8);
        let length = u64::from_be_bytes(length.try_into().map_err(|_| broken())?);
        let size = Sha256::new().serialize().len();
        let (sha256, rest) = rest.split_at_checked(size).ok_or_else(broken)?;
        let sha256 = Sha256::deserialize(sha256.try_into().map_err(|_| broken())?).map_err(|_| broken())?;
        let sha512 = match rest.len() {
            0 => None,
            _ => Some(Sha512::deserialize(rest.try_into().map_err(|_| broken())?).map_err(|_| broken())?),
        };
        Ok(Self { sha256, sha512, object: None, length })
    }
}

/// First byte of a saved state. Another value means another format, here or in the hash library.
const STATE_FORMAT: u8 = 1;

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_foreign_state_is_refused() {
        for state in [&[][..], &[1], &[9; 50], &[1; 30]] {
            assert!(Hasher::resume(state).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_hash_continues_on_another_replica(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            sha512: bool,
        ) {
            let algorithm = if sha512 { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let mut hasher = Hasher::new(algorithm);
            for part in &parts {
                hasher = Hasher::resume(&hasher.save()).unwrap();
                hasher.update(part);
            }
            let whole = parts.concat();
            prop_assert_eq!(hasher.length(), whole.len() as u64);
            let digests = hasher.finish();
            prop_assert_eq!(digests.get(algorithm), Some(&Digest::of(algorithm, &whole)));
            prop_assert_eq!(digests.sha256, Digest::of(Algorithm::Sha256, &whole));
        }
    }
}
