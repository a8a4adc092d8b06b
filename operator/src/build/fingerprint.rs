//! A hash of several parts.

use sha2::{Digest as _, Sha256};

#[derive(Default)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    /// The part's length is hashed too, so that `ab, c` and `a, bc` differ.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// The first `bytes` bytes, in hexadecimal.
    pub(super) fn first(self, bytes: usize) -> String {
        hex::encode(&self.0.finalize()[..bytes])
    }
}
