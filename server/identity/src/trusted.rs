//! The trusted issuers together: which of them a token is of.

use jsonwebtoken::Header;
use zot_domain::Result;

use crate::credentials::invalid;
use crate::issuer::{Issuer, Verified};
use crate::jwks::Known;
use crate::now_secs;
use crate::remembered::{Digest, Remembered};

/// The issuers, the first of a name first.
pub(crate) struct Trusted {
    issuers: Vec<Issuer>,
    verified: Remembered<Known, Verified>,
}

impl Trusted {
    pub(crate) fn new(mut issuers: Vec<Issuer>) -> Self {
        let prefixes: Vec<String> = issuers.iter().map(|it| it.config().prefix.clone()).collect();
        issuers.iter_mut().for_each(|it| it.beside(&prefixes));
        Self { issuers, verified: Remembered::default() }
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

    /// A token that was verified a moment ago.
    pub(crate) async fn remembered(&self, token: Digest) -> Option<Verified> {
        for issuer in &self.issuers {
            let keys = issuer.keys();
            if self.verified.get(token, &keys.known(), now_secs()).is_some() {
                keys.keep_fresh().await;
                // which may have found other keys
                return self.verified.get(token, &keys.known(), now_secs());
            }
        }
        None
    }

    /// Verifies a token that says that it is of that issuer.
    pub(crate) async fn verify(&self, token: &str, issuer: &str, header: &Header) -> Result<Verified> {
        let known = self.issuers.iter().find(|it| it.config().issuer == issuer);
        let issuer = known.ok_or_else(|| invalid("the token is of an issuer that this store does not trust"))?;
        issuer.keys().keep_fresh().await;
        let verified = issuer.verify(token, header).await?;
        self.verified.put(Digest::of(token), issuer.keys().known(), verified.expires, verified.clone());
        Ok(verified)
    }
}
