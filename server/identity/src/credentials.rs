//! From an `Authorization` header to a principal: access keys and tokens by Basic, tokens by Bearer. The S3 API verifies
//! signatures itself, and gets secrets and principals here.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use zot_core::principal::Principal;
use zot_domain::{Error, Result};

use crate::Identity;

/// Longest accepted credentials, in bytes. A token with a thousand groups is far shorter.
const LENGTH_MAX: usize = 64 * 1024;

/// The result of checking a request's credentials.
#[derive(Debug)]
pub struct Presented {
    /// Their kind, for metrics, if there are any.
    pub method: Option<&'static str>,
    /// The principal. Without credentials it is anonymous.
    pub principal: Result<Principal>,
}

impl Presented {
    fn new(method: &'static str, principal: Result<Principal>) -> Self {
        Self { method: Some(method), principal }
    }
}

impl Identity {
    /// The principal of a request's `Authorization` header. Without the header it is anonymous.
    pub async fn principal(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Presented {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            if headers.contains_key(header::AUTHORIZATION) {
                return self.malformed("unknown", "several Authorization headers", address);
            }
            return Presented { method: None, principal: self.fresh().await.map(|()| Principal::anonymous()) };
        };
        let Some((scheme, credentials)) = value.to_str().ok().and_then(|v| v.split_once(' ')) else {
            return self.malformed("unknown", "malformed Authorization header", address);
        };
        let credentials = credentials.trim();
        if credentials.len() > LENGTH_MAX {
            return self.malformed("unknown", "the credentials are too long", address);
        }
        if scheme.eq_ignore_ascii_case("basic") {
            match pair(credentials) {
                Some((id, secret)) => self.password(&id, &secret, address).await,
                None => self.malformed("access_key", "malformed Basic credentials", address),
            }
        } else if scheme.eq_ignore_ascii_case("bearer") {
            self.bearer(credentials, address).await
        } else {
            let why = "unsupported authorization scheme; use Basic with an access key, or Bearer with a token";
            self.malformed("unknown", why, address)
        }
    }

    /// The principal of a token that an administrator validates. A wrong token is not counted against an address.
    ///
    /// # Errors
    /// As [`Identity::bearer`], without a bound.
    pub async fn examined(&self, token: &str) -> Result<Principal> {
        self.fresh().await?;
        self.token(token.trim()).await
    }

    /// Malformed credentials count as wrong ones, since they cost the store as much.
    fn malformed(&self, method: &'static str, why: &str, address: Option<IpAddr>) -> Presented {
        let admitted = self.throttle.admit(address, None);
        let refused = admitted.and_then(|()| {
            self.throttle.failed(address, None);
            Err(invalid(why))
        });
        Presented::new(method, refused)
    }

    /// The principal of an access key, or of a trusted issuer's token as the password. The user name in front of a token is
    /// ignored.
    pub async fn password(&self, id: &str, secret: &str, address: Option<IpAddr>) -> Presented {
        if looks_like_a_token(secret.trim()) {
            return self.bearer(secret, address).await;
        }
        let check = async {
            self.fresh().await?;
            self.throttle.admit(address, Some(id))?;
            self.check(id, secret).inspect_err(|_| self.throttle.failed(address, Some(id)))
        };
        Presented::new("access_key", check.await)
    }

    /// The principal of a token: a registry token, or a trusted issuer's. White space around it comes from files, and is
    /// ignored.
    pub async fn bearer(&self, token: &str, address: Option<IpAddr>) -> Presented {
        let token = token.trim();
        let check = async {
            self.fresh().await?;
            self.throttle.admit(address, None)?;
            self.token(token).await.inspect_err(|error| {
                if matches!(error, Error::CredentialsInvalid(_)) {
                    self.throttle.failed(address, None);
                }
            })
        };
        Presented::new("bearer_token", check.await)
    }
}

/// A token has three parts with dots between them. No access key's secret has dots.
fn looks_like_a_token(secret: &str) -> bool {
    secret.starts_with("eyJ") && secret.split('.').count() == 3
}

fn pair(credentials: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

pub(crate) fn invalid(why: &str) -> Error {
    Error::CredentialsInvalid(why.to_owned())
}
