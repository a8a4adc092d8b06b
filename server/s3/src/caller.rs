//! Identifies the caller of a request by its signature or another scheme.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use s3s::S3Error;
use zot_core::principal::Principal;
use zot_domain::call::Origin;
use zot_domain::observed::Authentication;
use zot_gateway::{Authenticator, Sender};
use zot_identity::{Identity, Presented};

use crate::error::{custom, to_s3};
use crate::sigv4::{Access, AuthError, Claimed, Front};

/// A request that passed the front, how it is signed, and its principal.
pub(crate) type Identified = (Request<Body>, Access, zot_domain::Result<Principal>);

/// Identifies the caller. Also returns which credentials the request presented.
pub(crate) async fn identify(
    front: &Front,
    authenticator: &Authenticator,
    request: Request<Body>,
    sender: &Sender,
) -> (Option<Authentication>, Result<Identified, S3Error>) {
    let claimed = Claimed::of(&request);
    match presented(front, authenticator.identity(), request, &claimed, sender.origin).await {
        Ok((request, access, presented)) => {
            (authenticator.observe(sender, &presented), Ok((request, access, presented.principal)))
        }
        Err(Refusal { presented, error }) => {
            let why = error.message().unwrap_or_default();
            (presented.then(|| authenticator.refused(sender, "signature", why)), Err(error))
        }
    }
}

/// A request that the front refused.
struct Refusal {
    /// Whether it presented credentials. Malformed ones do not count.
    presented: bool,
    error: S3Error,
}

async fn presented(
    front: &Front,
    identity: &Identity,
    request: Request<Body>,
    claimed: &Claimed,
    origin: Origin,
) -> Result<(Request<Body>, Access, Presented), Refusal> {
    let key = claimed.access_key.as_deref();
    if key.is_some() {
        identity.admit(origin.address, key).map_err(|error| Refusal { presented: false, error: to_s3(error) })?;
    }
    let request = match front.authenticate(request) {
        Ok(request) => request,
        Err(error) => {
            let wrong = error.status() == StatusCode::FORBIDDEN;
            // an expired session is reported as such, even if the signature is wrong
            if let (true, Some(key), Some(token)) = (wrong, key, claimed.session_token.as_deref())
                && let Err(expired @ zot_domain::Error::CredentialsExpired(_)) = identity.signer(key, Some(token)).await
            {
                return Err(Refusal { presented: true, error: to_s3(expired) });
            }
            if wrong {
                identity.failed(origin.address, key);
            }
            return Err(Refusal { presented: wrong, error: refused(&error) });
        }
    };
    let access = request.extensions().get::<Access>().cloned().unwrap_or(Access::Anonymous);
    let presented = match &access {
        Access::Anonymous => {
            Presented { method: None, principal: identity.fresh().await.map(|()| Principal::anonymous()) }
        }
        Access::Signed { access_key, session_token, .. } => Presented {
            method: Some("signature"),
            principal: identity.signer(access_key, session_token.as_deref()).await,
        },
        Access::Other => identity.principal(request.headers(), origin.address).await,
    };
    Ok((request, access, presented))
}

/// The S3 error of a refused signature.
pub(crate) fn refused(error: &AuthError) -> S3Error {
    custom(error.code(), error.status(), error.message())
}
