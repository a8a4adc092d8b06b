//! All trusted issuers: finds the one that issued a token.

use jsonwebtoken::Header;
use zot_domain::Result;

use crate::credentials::invalid;
use crate::issuer::{Issuer, Verified};
use crate::jwks::Known;
use crate::now_secs;
use crate::token_cache::{Digest, TokenCache};

/// The issuers, the first of a name first.
pub(crate) struct Trusted {
    issuers: Vec<Issuer>,
    verified: TokenCache<Known, Verified>,
}

impl Trusted {
    pub(crate) fn new(mut issuers: Vec<Issuer>) -> Self {
        let prefixes: Vec<String> = issuers.iter().map(|it| it.config().prefix.clone()).collect();
        issuers.iter_mut().for_each(|it| it.avoid_prefixes(&prefixes));
        Self { issuers, verified: TokenCache::default() }
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// Names of issuers that did not answer the last request.
    pub(crate) async fn unreachable(&self) -> Vec<String> {
        let mut found = Vec::new();
        for issuer in &self.issuers {
            if !issuer.keys().is_well().await {
                found.push(issuer.config().name.clone());
            }
        }
        found
    }

    /// A token from the cache.
    pub(crate) async fn cached(&self, token: Digest) -> Option<Verified> {
        for issuer in &self.issuers {
            let keys = issuer.keys();
            if self.verified.get(token, &keys.known(), now_secs()).is_some() {
                keys.keep_fresh().await;
                // this may have changed the keys
                return self.verified.get(token, &keys.known(), now_secs());
            }
        }
        None
    }

    /// Verifies a token that names this issuer.
    pub(crate) async fn verify(&self, token: &str, issuer: &str, header: &Header) -> Result<Verified> {
        let known = self.issuers.iter().find(|it| it.config().issuer == issuer);
        let issuer = known.ok_or_else(|| invalid("this store does not trust the token's issuer"))?;
        issuer.keys().keep_fresh().await;
        let verified = issuer.verify(token, header).await?;
        self.verified.put(Digest::of(token), issuer.keys().known(), verified.expires, verified.clone());
        Ok(verified)
    }
}
