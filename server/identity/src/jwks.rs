//! The keys of an issuer: found by discovery, cached, and fetched again when a token names an unknown key.
//!
//! Sources: `OpenID` Connect Discovery 1.0, RFC 7517 (JWK), RFC 8414.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use zot_domain::{Error, Result};

/// Shortest time between two requests to the issuer. Strangers may send tokens with unknown keys.
const PAUSE: Duration = Duration::from_secs(3);
/// A key that the issuer revoked is refused after this time, if the issuer answers.
const FRESH: Duration = Duration::from_mins(5);
/// Longest wait for the issuer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document of an issuer, in bytes.
const DOCUMENT_MAX: usize = 512 * 1024;

/// The source of an issuer's keys.
#[derive(Clone, Debug)]
pub struct Source {
    /// The issuer, whose discovery document names the keys.
    pub issuer: String,
    /// URL of the keys, instead of discovery.
    pub jwks: Option<String>,
    /// File with the token that the issuer requires.
    pub token_file: Option<std::path::PathBuf>,
}

pub struct KeySet {
    source: Source,
    client: reqwest::Client,
    known: ArcSwap<Known>,
    /// When the last request was sent, and whether the issuer answered.
    asked: Mutex<Option<(Instant, bool)>>,
}

#[derive(Default)]
pub(crate) struct Known {
    keys: HashMap<String, Key>,
    fetched: Option<Instant>,
}

struct Key {
    decoding: Arc<DecodingKey>,
    algorithms: &'static [Algorithm],
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySet {
    /// The keys of that source. They are fetched when they are first needed.
    pub fn new(source: Source, client: reqwest::Client) -> Self {
        Self { source, client, known: ArcSwap::default(), asked: Mutex::new(None) }
    }

    /// The cached keys. Each fetch makes a new allocation.
    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Whether keys are cached and the last fetch succeeded, for health.
    pub(crate) async fn is_well(&self) -> bool {
        self.asked.lock().await.is_none_or(|(_, answered)| answered)
    }

    /// Fetches the keys again if they are old. If the issuer is unavailable, the cached keys stay valid.
    pub(crate) async fn keep_fresh(&self) {
        let known = self.known.load();
        if known.fetched.is_some_and(|at| at.elapsed() > FRESH)
            && let Err(error) = self.refresh().await
        {
            tracing::warn!(issuer = self.source.issuer, %error, "the issuer does not answer; continuing with its cached keys");
        }
    }

    /// The key of that id, for that algorithm.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is unknown and the issuer does not answer.
    pub(crate) async fn get(&self, kid: &str, algorithm: Algorithm) -> Result<Option<Arc<DecodingKey>>> {
        if let Some(key) = self.known.load().find(kid, algorithm) {
            return Ok(Some(key));
        }
        self.refresh().await?;
        Ok(self.known.load().find(kid, algorithm))
    }

    /// Fetches the keys, unless they were just fetched. One caller fetches, the others wait.
    async fn refresh(&self) -> Result<()> {
        let before = self.known.load().fetched;
        let mut asked = self.asked.lock().await;
        let others_did = self.known.load().fetched != before;
        match *asked {
            _ if others_did => return Ok(()),
            Some((at, true)) if at.elapsed() < PAUSE => return Ok(()),
            Some((at, false)) if at.elapsed() < PAUSE => {
                return Err(unavailable("it did not answer the last request".into()));
            }
            _ => {}
        }
        let fetched = self.fetch().await;
        *asked = Some((Instant::now(), fetched.is_ok()));
        let keys = fetched.map_err(unavailable)?;
        self.known.store(Arc::new(Known { keys, fetched: Some(Instant::now()) }));
        Ok(())
    }

    async fn fetch(&self) -> std::result::Result<HashMap<String, Key>, Box<dyn std::error::Error + Send + Sync>> {
        let jwks = match &self.source.jwks {
            Some(url) => url.clone(),
            None => {
                let url = format!("{}/.well-known/openid-configuration", self.source.issuer.trim_end_matches('/'));
                let found: Discovery = serde_json::from_slice(&self.document(&url).await?)?;
                if found.issuer != self.source.issuer {
                    return Err(format!("{url} is of the issuer {}, not {}", found.issuer, self.source.issuer).into());
                }
                found.jwks_uri
            }
        };
        let set: JwkSet = serde_json::from_slice(&self.document(&jwks).await?)?;
        Ok(set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, key_of(jwk)?))).collect())
    }

    async fn document(&self, url: &str) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = self.client.get(url).timeout(TIMEOUT);
        if let Some(file) = &self.source.token_file {
            request = request.bearer_auth(tokio::fs::read_to_string(file).await?.trim());
        }
        let mut response = request.send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > DOCUMENT_MAX {
                return Err(format!("{url} is larger than {DOCUMENT_MAX} bytes").into());
            }
        }
        Ok(bytes)
    }
}

fn unavailable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Unavailable { component: "identity_provider", source }
}

impl Known {
    fn find(&self, kid: &str, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let key = self.keys.get(kid)?;
        key.algorithms.contains(&algorithm).then(|| Arc::clone(&key.decoding))
    }
}

/// A signature key, with the algorithms of its type. The token's algorithm must be one of them.
fn key_of(jwk: &Jwk) -> Option<Key> {
    const RSA: &[Algorithm] =
        &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    Some(Key { decoding: Arc::new(DecodingKey::from_jwk(jwk).ok()?), algorithms })
}
