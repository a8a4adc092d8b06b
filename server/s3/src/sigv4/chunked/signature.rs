//! The chain of chunk signatures.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::error::AuthError;
use super::super::keys::{SigningKey, hex64};

/// SHA-256 of nothing, which stands in each chunk's string to sign.
const EMPTY: &[u8; 64] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Each signature covers the one before it, so no chunk can be dropped, doubled or moved.
pub(in super::super) struct Chain {
    key: SigningKey,
    /// Time and scope, with line feeds.
    context: String,
    previous: [u8; 64],
    given: [u8; 64],
    hasher: Sha256,
}

impl Chain {
    /// Starts from the signature of the request.
    pub(in super::super) fn new(key: SigningKey, stamp: &str, scope: &str, seed: [u8; 64]) -> Self {
        let context = format!("\n{stamp}\n{scope}\n");
        Self { key, context, previous: seed, given: seed, hasher: Sha256::new() }
    }

    /// Begins a chunk that has this signature.
    pub(super) const fn begin(&mut self, signature: [u8; 64]) {
        self.given = signature;
    }

    /// Adds bytes of the chunk.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Compares the chunk's signature.
    pub(super) fn end_chunk(&mut self) -> Result<(), AuthError> {
        let digest = hex64(&self.hasher.finalize_reset().into());
        let given = self.given;
        self.compare(&[b"AWS4-HMAC-SHA256-PAYLOAD", EMPTY, &digest], &given)
    }

    /// Compares the trailer's signature. `text` is its canonical form.
    pub(super) fn trailer(&mut self, canonical: &str, given: &[u8]) -> Result<(), AuthError> {
        let digest = hex64(&Sha256::digest(canonical).into());
        let given = given.try_into().map_err(|_| AuthError::SignatureDoesNotMatch)?;
        self.compare(&[b"AWS4-HMAC-SHA256-TRAILER", &digest], &given)
    }

    /// Signs the algorithm, the context, the signature before, and the rest.
    fn compare(&mut self, lines: &[&[u8]], given: &[u8; 64]) -> Result<(), AuthError> {
        let Some((algorithm, rest)) = lines.split_first() else { return Err(AuthError::SignatureDoesNotMatch) };
        let mut parts = vec![*algorithm, self.context.as_bytes(), &self.previous];
        for line in rest {
            parts.extend_from_slice(&[b"\n", line]);
        }
        if bool::from(self.key.sign(&parts).ct_eq(given)) {
            self.previous = *given;
            Ok(())
        } else {
            Err(AuthError::SignatureDoesNotMatch)
        }
    }
}
