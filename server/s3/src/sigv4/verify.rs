//! Compares signatures.

use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::Front;
use super::canonical;
use super::claim::{ALGORITHM, Claim, malformed};
use super::error::AuthError;
use super::keys::{SigningKey, hex64};
use super::query::Query;

/// A verified request: its key, and the signature that the first chunk of its body follows.
pub(super) struct Verified {
    pub(super) key: SigningKey,
    pub(super) seed: [u8; 64],
}

/// Checks that all required headers are signed, then compares the signature.
pub(super) fn verify(front: &Front, parts: &Parts, query: &Query, claim: &Claim) -> Result<Verified, AuthError> {
    check_signed_headers(parts, claim)?;
    let paths = canonical::paths(parts.uri.path())?;
    let tail = canonical::tail(parts, query, &claim.signed, &claim.payload_line)?;

    let secret = front.keys.lookup(&claim.access_key, claim.token.as_deref());
    let known = secret.is_some();
    // an unknown key takes as long as a wrong signature: the same cache and hashes, another secret
    let name = if known { claim.access_key.as_str() } else { "" };
    let key = front.cache.get(name, secret.as_ref().unwrap_or(&front.decoy), &claim.scope);

    let mut seed = [0; 64];
    let mut matched = Choice::from(0);
    for path in paths {
        let signature = sign(&key, claim, parts.method.as_str(), &path, &tail);
        let same = signature.ct_eq(claim.signature.as_bytes());
        matched |= same;
        seed = signature;
        if bool::from(same) {
            break;
        }
    }
    match (known, bool::from(matched)) {
        (true, true) => Ok(Verified { key, seed }),
        (true, false) => Err(AuthError::SignatureDoesNotMatch),
        (false, _) if claim.token.is_some() => Err(AuthError::InvalidToken),
        (false, _) => Err(AuthError::InvalidAccessKeyId),
    }
}

/// The signature of one canonical request: "Create a signed AWS API request", steps 2 to 4.
fn sign(key: &SigningKey, claim: &Claim, method: &str, path: &str, tail: &[u8]) -> [u8; 64] {
    let mut request = Sha256::new();
    for part in [method.as_bytes(), b"\n", path.as_bytes(), b"\n", tail] {
        request.update(part);
    }
    let request = hex64(&request.finalize().into());
    let scope = claim.scope.text();
    let parts = [ALGORITHM.as_bytes(), b"\n", claim.stamp.text.as_bytes(), b"\n", scope.as_bytes(), b"\n", &request];
    key.sign(&parts)
}

/// `host` and every `x-amz-*` header must be signed, in presigned URLs as well, or a stranger who holds one could turn
/// an upload into a copy with `x-amz-copy-source`.
///
/// There is no list of exceptions because none is needed: botocore, the Go, Java and JS SDKs, minio-go, s3cmd and curl
/// sign every header they send but a fixed few (`user-agent`, `expect`, `x-amzn-trace-id` and such), none of which
/// begins with `x-amz-`. A presigned URL is used without such headers, or with the ones it was signed for. That holds
/// for `x-amz-content-sha256` too: unsigned it would let the sender choose how the body is read.
fn check_signed_headers(parts: &Parts, claim: &Claim) -> Result<(), AuthError> {
    let signed = |name: &str| claim.signed.iter().any(|known| known == name);
    if !signed("host") {
        return Err(malformed(claim.presigned, "the host header must be signed."));
    }
    let unsigned: Vec<_> =
        parts.headers.keys().map(http::HeaderName::as_str).filter(|name| is_amz(name) && !signed(name)).collect();
    if !unsigned.is_empty() {
        let message = "There were headers present in the request which were not signed: ".to_owned();
        return Err(AuthError::AccessDenied((message + &unsigned.join(", ")).into()));
    }
    let missing = claim.signed.iter().find(|name| *name != "host" && !parts.headers.contains_key(name.as_str()));
    match missing {
        Some(name) => Err(AuthError::AccessDenied(format!("The signed header {name} is not in the request.").into())),
        None => Ok(()),
    }
}

fn is_amz(name: &str) -> bool {
    name.starts_with("x-amz-")
}
