//! Digests, and hashes in progress that can be stored and taken up again by another replica.
//!
//! Grammar and registered algorithms: OCI image-spec `descriptor.md`.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

use crate::bucket::checksum;
use crate::error::{Error, Result};

/// A digest algorithm that the store computes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256: every blob has one; it is the identity.
    Sha256,
    /// SHA-512: a further name, where a client asked for it.
    Sha512,
}

impl Algorithm {
    /// The name in front of the colon.
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
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(Error::DigestInvalid(format!("unsupported digest algorithm {other:?}; use sha256 or sha512"))),
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

    fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Self {
        Self(format!("{}:{}", algorithm.as_str(), hex::encode(raw)))
    }

    /// The whole digest, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    /// The tag under which clients keep referrers at registries without the referrers API:
    /// `algorithm-hex`, cut to 128 characters (distribution-spec, *Referrers Tag Schema*).
    pub fn fallback_tag(&self) -> String {
        let mut tag = self.0.replacen(':', "-", 1);
        tag.truncate(128);
        tag
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| Error::DigestInvalid(format!("invalid digest {:?}: no algorithm", shown(text))))?;
        let algorithm: Algorithm = algorithm.parse()?;
        let valid = hex.len() == algorithm.hex_len() && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !valid {
            return Err(Error::DigestInvalid(format!(
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

/// What a finished [`Hasher`] knows about the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Always there: the identity.
    pub sha256: Digest,
    /// There where the hasher was asked for it.
    pub sha512: Option<Digest>,
    /// There where the hasher was asked for what S3 wants.
    pub object: Option<ObjectSums>,
}

/// What the S3 door knows of bytes beside their digest.
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

/// MD5 and a checksum in progress: apart from the rest, so that another thread can run it beside the digest.
#[derive(Clone)]
pub struct ObjectHasher {
    md5: Md5,
    checksum: checksum::Running,
}

impl ObjectHasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksum.update(bytes);
    }

    fn finish(self) -> ObjectSums {
        ObjectSums { md5: hex::encode(self.md5.finalize()), checksum: self.checksum.finish() }
    }
}

impl Hasher {
    /// Begins with no bytes; `sha512` too where `algorithm` asks for it.
    pub fn new(algorithm: Algorithm) -> Self {
        let sha512 = (algorithm == Algorithm::Sha512).then(Sha512::new);
        Self { sha256: Sha256::new(), sha512, object: None, length: 0 }
    }

    /// Begins with no bytes, for the S3 door: also MD5 and that checksum.
    pub fn for_object(checksum: checksum::Algorithm) -> Self {
        let object = ObjectHasher { md5: Md5::new(), checksum: checksum.begin() };
        Self { object: Some(object), ..Self::new(Algorithm::Sha256) }
    }

    /// Takes the part out that can run on another thread; it must see the same bytes and be given back.
    pub fn split_object(&mut self) -> Option<ObjectHasher> {
        self.object.take()
    }

    /// Gives it back.
    pub fn join_object(&mut self, object: Option<ObjectHasher>) {
        self.object = object;
    }

    /// Takes in more bytes.
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

    /// Bytes taken in so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it will know that algorithm.
    pub fn computes(&self, algorithm: Algorithm) -> bool {
        algorithm == Algorithm::Sha256 || self.sha512.is_some()
    }

    /// The digests of what was taken in.
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

    /// Takes up a state that [`Hasher::save`] gave, by this version or one that writes the same format.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`] for a state of another format: the upload has to begin anew.
    pub fn resume(state: &[u8]) -> Result<Self> {
        let broken = || Error::UploadUnknown;
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

/// First byte of a saved state; another one means another layout (or another layout inside the hash library).
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
            assert!(matches!(bad.parse::<Digest>(), Err(Error::DigestInvalid(_))), "{bad}");
        }
    }

    #[test]
    fn fallback_tags_fit_into_a_tag() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").fallback_tag().len(), 71);
        assert_eq!(Digest::of(Algorithm::Sha512, b"").fallback_tag().len(), 128);
    }

    /// FIPS 180-2 test vector `abc`.
    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(
            Digest::of(Algorithm::Sha256, b"abc").as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

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

        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}") {
            let _ = text.parse::<Digest>();
        }
    }
}
