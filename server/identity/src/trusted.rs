//! The trusted issuers together, and the tokens that were verified a moment ago: a client sends the same one for minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::Header;
use sha2::{Digest as _, Sha256};
use zot_domain::Result;

use crate::credentials::invalid;
use crate::issuer::{Issuer, Verified};
use crate::jwks::Known;
use crate::now_secs;

/// Tokens that are remembered.
const REMEMBERED: usize = 10_000;

/// The issuers, the first of a name first.
pub(crate) struct Trusted {
    issuers: Vec<Issuer>,
    /// By the token's digest; good as long as the issuer's keys are the same.
    verified: Mutex<HashMap<[u8; 32], (Arc<Known>, Verified)>>,
}

impl Trusted {
    pub(crate) fn new(issuers: Vec<Issuer>) -> Self {
        Self { issuers, verified: Mutex::default() }
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// Names of those that did not answer when they were last asked.
    pub(crate) async fn unreachable(&self) -> Vec<String> {
        let mut found = Vec::new();
        for issuer in &self.issuers {
            if !issuer.keys().is_well().await {
                found.push(issuer.config().name.clone());
            }
        }
        found
    }

    /// Verifies a token that says that it is of that issuer.
    pub(crate) async fn verify(&self, token: &str, issuer: &str, header: &Header) -> Result<Verified> {
        let known = self.issuers.iter().find(|it| it.config().issuer == issuer);
        let issuer = known.ok_or_else(|| invalid("the token is of an issuer that this store does not trust"))?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        issuer.keys().keep_fresh().await;
        if let Some(verified) = self.remembered(&digest, issuer) {
            return Ok(verified);
        }
        let verified = issuer.verify(token, header).await?;
        let mut remembered = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, (issuer.keys().known(), verified.clone()));
        Ok(verified)
    }

    fn remembered(&self, digest: &[u8; 32], issuer: &Issuer) -> Option<Verified> {
        let remembered = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let (keys, verified) = remembered.get(digest)?;
        // no leeway here: at its end it is looked at once more
        (Arc::ptr_eq(keys, &issuer.keys().known()) && now_secs() < verified.expires).then(|| verified.clone())
    }
}
