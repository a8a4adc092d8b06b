//! Bytes to send. They are random, so nothing dedupes or compresses them, and cheap to generate. All bodies of one size
//! share a random beginning and differ in their last bytes. The SHA-256 of the beginning is
//! computed once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// How many bytes at the end of a body are unique.
const MARK: usize = 64;

/// A body in two pieces: the beginning that all of this size share, and its unique end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pieces: [Bytes; 2],
}

impl Body {
    /// A body of these bytes.
    pub(crate) fn of(bytes: impl Into<Bytes>) -> Self {
        Self { pieces: [bytes.into(), Bytes::new()] }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    pub(crate) fn pieces(&self) -> &[Bytes; 2] {
        &self.pieces
    }

    /// Whether the body has these bytes at this offset.
    pub(crate) fn holds(&self, offset: usize, bytes: &[u8]) -> bool {
        let [first, second] = &self.pieces;
        let cut = first.len().saturating_sub(offset).min(bytes.len());
        let (left, right) = bytes.split_at(cut);
        let begin = (offset + cut).saturating_sub(first.len());
        let end = begin + right.len();
        (left.is_empty() || first[offset..offset + cut] == *left) && second.get(begin..end) == Some(right)
    }
}

/// The generator of bodies.
pub(crate) struct Content {
    random: Bytes,
    begun: Mutex<HashMap<usize, Sha256>>,
}

impl Content {
    /// Content for bodies of up to this many bytes.
    pub(crate) fn new(largest: usize) -> Self {
        let words = (0..largest.div_ceil(8) as u64).flat_map(|index| mix(index).to_le_bytes());
        Self { random: words.collect::<Vec<u8>>().into(), begun: Mutex::default() }
    }

    /// The body of that size, in bytes, and that number. Another number gives another body.
    pub(crate) fn body(&self, size: usize, number: u64) -> Body {
        let shared = size.saturating_sub(MARK);
        Body { pieces: [self.random.slice(..shared), mark(size, number).slice(..size - shared)] }
    }

    /// The digest of [`Content::body`], as in `sha256:…`.
    pub(crate) fn digest(&self, size: usize, number: u64) -> String {
        format!("sha256:{}", self.sha256(size, number))
    }

    /// The SHA-256 of [`Content::body`] in hex.
    pub(crate) fn sha256(&self, size: usize, number: u64) -> String {
        let [shared, own] = self.body(size, number).pieces;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = begun.entry(size).or_insert_with(|| Sha256::new_with_prefix(&shared)).clone();
        drop(begun);
        hex::encode(hash.chain_update(&own).finalize())
    }
}

/// The digest of some bytes, as in `sha256:…`.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Spreads a number over 64 bits (the finalizer of `SplitMix64`).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The first number of a series. Series of one size share no body: each has up to 2³² numbers.
pub(crate) fn series(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte))) << 32
}

fn mark(size: usize, number: u64) -> Bytes {
    let seed = mix(number) ^ mix(size as u64).rotate_left(17);
    (0..MARK as u64 / 8).flat_map(|index| mix(seed.wrapping_add(index)).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_whole_body() {
        let content = Content::new(1000);
        for size in [1, 63, 64, 65, 1000] {
            let body = content.body(size, 7);
            assert_eq!(body.len(), size);
            assert_eq!(content.sha256(size, 7), hex::encode(Sha256::digest(body.pieces().concat())));
            assert!(size < 8 || content.sha256(size, 8) != content.sha256(size, 7));
        }
    }

    #[test]
    fn a_body_knows_its_bytes_wherever_it_is_cut() {
        let body = Content::new(200).body(200, 3);
        let whole = body.pieces().concat();
        for (start, end) in [(0, 200), (0, 10), (100, 150), (136, 200), (199, 200), (200, 200)] {
            assert!(body.holds(start, &whole[start..end]), "{start}..{end}");
        }
        let mut wrong = whole.clone();
        wrong[150] ^= 1;
        assert!(!body.holds(0, &wrong));
        assert!(!body.holds(100, &wrong[100..]));
        assert!(!body.holds(199, &[whole[199], 0]));
    }
}
