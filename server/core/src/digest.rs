//! Digests of content.
//!
//! Grammar and registered algorithms: OCI image-spec `descriptor.md`.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

use crate::invalid::{Invalid, Result};

/// A digest algorithm that the store computes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256. Every blob has one, which is its identity.
    Sha256,
    /// SHA-512: a second name, if a client requested it.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(Invalid::Digest(format!("unsupported digest algorithm {other:?}; use sha256 or sha512"))),
        }
    }
}

/// A valid digest `algorithm:hex` in canonical form (lower-case hex of the right length).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::from_raw(algorithm, &Sha256::digest(bytes)),
            Algorithm::Sha512 => Self::from_raw(algorithm, &Sha512::digest(bytes)),
        }
    }

    pub(crate) fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Self {
        Self(format!("{}:{}", algorithm.as_str(), hex::encode(raw)))
    }

    /// The whole digest, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| Invalid::Digest(format!("invalid digest {:?}: no algorithm", shown(text))))?;
        let algorithm: Algorithm = algorithm.parse()?;
        let valid = hex.len() == algorithm.hex_len() && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !valid {
            return Err(Invalid::Digest(format!(
                "invalid digest {:?}: {} needs {} lower-case hex digits",
                shown(text),
                algorithm.as_str(),
                algorithm.hex_len()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

/// At most 200 characters of a client's text, so that an error never echoes a megabyte.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_digest_is_canonical_or_refused() {
        let good = format!("sha256:{}", "a1".repeat(32));
        assert_eq!(good.parse::<Digest>().unwrap().as_str(), good);
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:abc",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            "sha256:../../x",
            &format!("sha256:{}", "A1".repeat(32)),
            &format!("sha512:{}", "a1".repeat(32)),
            &format!("sha256:{}", "g1".repeat(32)),
            &format!("SHA256:{}", "a1".repeat(32)),
        ] {
            assert!(matches!(bad.parse::<Digest>(), Err(Invalid::Digest(_))), "{bad}");
        }
    }

    /// FIPS 180-2 test vector `abc`.
    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(
            Digest::of(Algorithm::Sha256, b"abc").as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}") {
            let _ = text.parse::<Digest>();
        }
    }
}
