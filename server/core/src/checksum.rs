//! Checksums of S3 objects: computed while bytes arrive, compared with the client's, and combined for multipart uploads.
//!
//! Source: S3 user guide, *Checking object integrity*. Values are base64 of the big-endian bytes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::invalid::{Invalid, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// CRC-32 of ISO-HDLC.
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64 of NVMe. S3 computes it if the client sends no checksum.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// How the checksum of a multipart object follows from those of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The checksum of all bytes.
    #[default]
    FullObject,
    /// The checksum of the parts' checksums, followed by `-N`.
    Composite,
}

/// Known checksums of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    /// By algorithm, in base64.
    pub values: BTreeMap<Algorithm, String>,
    #[serde(default)]
    pub kind: Kind,
}

/// A checksum in progress.
#[derive(Clone)]
pub(crate) enum Running {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Algorithm {
    /// The name in headers and responses: `CRC64NVME`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Parses the name in headers, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];
        all.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
    }

    const fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Bytes of a checksum.
    const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(crate) fn begin(self) -> Running {
        match (self.crc(), self) {
            (Some((crc, _)), algorithm) => Running::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (None, Self::Sha1) => Running::Sha1(Sha1::new()),
            (None, _) => Running::Sha256(Sha256::new()),
        }
    }

    /// Whether `value` has the format of this algorithm.
    pub fn is_valid(self, value: &str) -> bool {
        STANDARD.decode(value).is_ok_and(|bytes| bytes.len() == self.length())
    }

    /// The checksum of several parts together, computed from their checksums and lengths.
    ///
    /// # Errors
    /// [`Invalid::Checksum`] for malformed values.
    pub fn combine(self, kind: Kind, parts: &[(String, u64)]) -> Result<String> {
        let broken = || Invalid::Checksum("a stored checksum is malformed".to_owned());
        let decoded = parts.iter().map(|(value, size)| Ok((STANDARD.decode(value).map_err(|_| broken())?, *size)));
        let decoded = decoded.collect::<Result<Vec<_>>>()?;
        match (kind, self.crc()) {
            (Kind::FullObject, Some((crc, length))) => {
                let number = |bytes: &[u8]| bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
                let mut parts = decoded.iter();
                let Some((first, _)) = parts.next() else { return Err(broken()) };
                let whole =
                    parts.fold(number(first), |sum, (next, size)| checksum_combine(crc, sum, number(next), *size));
                Ok(STANDARD.encode(&whole.to_be_bytes()[8 - length..]))
            }
            (Kind::FullObject, None) => Err(Invalid::Checksum(format!("{} has no FULL_OBJECT type", self.as_str()))),
            (Kind::Composite, _) => {
                let mut running = self.begin();
                decoded.iter().for_each(|(bytes, _)| running.update(bytes));
                Ok(format!("{}-{}", running.finish().1, parts.len()))
            }
        }
    }
}

impl Running {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> (Algorithm, String) {
        match self {
            Self::Crc(algorithm, digest) => {
                let bytes = digest.finalize().to_be_bytes();
                (algorithm, STANDARD.encode(&bytes[8 - algorithm.length()..]))
            }
            Self::Sha1(digest) => (Algorithm::Sha1, STANDARD.encode(digest.finalize())),
            Self::Sha256(digest) => (Algorithm::Sha256, STANDARD.encode(digest.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checksum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = algorithm.begin();
        running.update(bytes);
        running.finish().1
    }

    /// The check values of the CRC catalogue and of FIPS 180, over `123456789`.
    #[test]
    fn checksums_are_the_published_ones() {
        for (algorithm, hex) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let value = checksum(algorithm, b"123456789");
            assert_eq!(hex::encode(STANDARD.decode(&value).unwrap()), hex, "{algorithm:?}");
            assert!(algorithm.is_valid(&value) && !algorithm.is_valid("AAA=") && !algorithm.is_valid("?"));
            assert_eq!(Algorithm::parse(&algorithm.as_str().to_lowercase()), Some(algorithm));
        }
    }

    #[test]
    fn a_composite_is_the_checksum_of_checksums() {
        let parts = [b"one".as_slice(), b"two"].map(|part| (checksum(Algorithm::Sha256, part), 3));
        let bytes: Vec<u8> = parts.iter().flat_map(|(value, _)| STANDARD.decode(value).unwrap()).collect();
        let expected = format!("{}-2", checksum(Algorithm::Sha256, &bytes));
        assert_eq!(Algorithm::Sha256.combine(Kind::Composite, &parts).unwrap(), expected);
        assert!(Algorithm::Sha256.combine(Kind::FullObject, &parts).is_err());
    }

    proptest! {
        #[test]
        fn crcs_of_parts_combine_to_the_whole(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..6)) {
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let sums: Vec<_> = parts.iter().map(|part| (checksum(algorithm, part), part.len() as u64)).collect();
                prop_assert_eq!(algorithm.combine(Kind::FullObject, &sums).unwrap(), checksum(algorithm, &parts.concat()));
            }
        }
    }
}
