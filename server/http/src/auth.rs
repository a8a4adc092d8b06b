//! From a request's credentials to a [`Principal`]: access keys by Basic, registry tokens by Bearer.

mod keys;
pub mod token;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zot_domain::identity::{Origin, RequestId};
use zot_domain::observed::Authentication;
use zot_domain::{Call, Error, Principal, Result};

use crate::App;
pub use keys::{AccessKey, TokenKey};

/// Knows the access keys and the key of registry tokens. The same on every replica that has the same keys.
pub struct Authenticator {
    keys: Vec<AccessKey>,
    token_key: TokenKey,
}

impl Authenticator {
    /// An authenticator over these access keys. Tokens are signed by a key derived from the first one's secret and
    /// `store_id`, so that replicas agree on it without storing it.
    ///
    /// # Errors
    /// [`Error::Internal`] if no key can be derived.
    pub fn new(keys: Vec<AccessKey>, store_id: &str, service: &str) -> Result<Self> {
        let secret = keys.first().map(AccessKey::secret).unwrap_or_default();
        let token_key = TokenKey::derive(secret, store_id, service)?;
        Ok(Self { keys, token_key })
    }

    /// The audience of tokens, as challenges announce it.
    pub(crate) fn service(&self) -> &str {
        self.token_key.service()
    }

    /// The secret of an access key, for doors that verify signatures.
    pub fn secret_of(&self, id: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.id() == id).map(AccessKey::secret)
    }

    /// The principal of an access key whose signature was verified.
    pub fn holder_of(&self, id: &str) -> Option<Principal> {
        self.keys.iter().find(|key| key.id() == id).map(AccessKey::principal)
    }

    /// The principal behind a request's `Authorization` header, and the kind of its credentials; without any, the
    /// anonymous one.
    pub fn principal(&self, headers: &HeaderMap) -> (Option<&'static str>, Result<Principal>) {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let several = headers.contains_key(header::AUTHORIZATION);
            return if several {
                (Some("unknown"), Err(invalid("several Authorization headers")))
            } else {
                (None, Ok(Principal::anonymous()))
            };
        };
        let Some((scheme, credentials)) = value.to_str().ok().and_then(|v| v.split_once(' ')) else {
            return (Some("unknown"), Err(invalid("malformed Authorization header")));
        };
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            (Some("access_key"), self.basic(credentials))
        } else if scheme.eq_ignore_ascii_case("bearer") {
            (Some("bearer_token"), self.token_key.verify(credentials).and_then(|token| self.holder(token)))
        } else {
            (Some("unknown"), Err(invalid("unsupported authorization scheme; use Basic with an access key, or Bearer")))
        }
    }

    fn basic(&self, credentials: &str) -> Result<Principal> {
        let decoded = STANDARD.decode(credentials).map_err(|_| invalid("malformed Basic credentials"))?;
        let text = String::from_utf8(decoded).map_err(|_| invalid("malformed Basic credentials"))?;
        let (id, secret) = text.split_once(':').ok_or_else(|| invalid("malformed Basic credentials"))?;
        self.check(id, secret)
    }

    /// The principal of an access key. Every key is compared, so that time says nothing about which one is near.
    fn check(&self, id: &str, secret: &str) -> Result<Principal> {
        let mut found = None;
        for key in &self.keys {
            if key.matches(id, secret) {
                found = Some(key.principal());
            }
        }
        found.ok_or_else(|| invalid("unknown access key or wrong secret"))
    }

    /// A token is an identity and an upper bound: its holder's rights are those of now.
    fn holder(&self, token: token::Verified) -> Result<Principal> {
        let anonymous = Principal::anonymous();
        if token.subject == anonymous.subject {
            return Ok(anonymous.bounded(token.grants));
        }
        let key = self.keys.iter().map(AccessKey::principal).find(|key| key.subject == token.subject);
        Ok(key.ok_or_else(|| invalid("the token's access key is gone"))?.bounded(token.grants))
    }
}

fn invalid(why: &str) -> Error {
    Error::CredentialsInvalid(why.to_owned())
}

/// The outcome of authentication. Doors refuse bad credentials in their own dialect, even where none are needed:
/// whoever sends some wants to know that they are wrong.
#[derive(Clone)]
pub(crate) struct Caller {
    principal: std::result::Result<Principal, String>,
    origin: Origin,
}

impl Caller {
    /// The call, for a use case.
    pub(crate) fn call(&self, request_id: RequestId) -> Result<Call> {
        match &self.principal {
            Ok(principal) => Ok(Call { principal: principal.clone(), request_id, origin: self.origin }),
            Err(why) => Err(Error::CredentialsInvalid(why.clone())),
        }
    }

    /// Where the request came from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// For logs.
    pub(crate) fn subject(&self) -> &str {
        self.principal.as_ref().map_or("invalid", |principal| principal.subject.as_str())
    }
}

/// Puts the [`Caller`] into each request, and takes it along into the response for the log.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (method, principal) = app.auth.principal(request.headers());
    let authentication = method.map(|method| Authentication { method, success: principal.is_ok() });
    let origin = request.extensions().get::<Origin>().copied().unwrap_or_default();
    let caller = Caller { principal: principal.map_err(|error| error.to_string()), origin };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    if let Some(authentication) = authentication {
        response.extensions_mut().insert(authentication);
    }
    response
}
