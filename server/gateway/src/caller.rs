//! Authentication of requests: the same rules for all APIs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::Response;
use zot_core::principal::Principal;
use zot_domain::authorizer::Authorizer;
use zot_domain::call::{Agent, Origin, RequestId};
use zot_domain::observed::Authentication;
use zot_domain::{Call, Error, Result};
use zot_identity::{Identity, Presented};

/// The sender of a request, before its credentials are checked.
#[derive(Clone, Default)]
pub struct Sender {
    pub request_id: RequestId,
    pub origin: Origin,
    pub agent: Agent,
}

impl Sender {
    /// The sender that the gateway noted in the request.
    pub fn of(extensions: &Extensions) -> Self {
        Self {
            request_id: extensions.get().copied().unwrap_or_default(),
            origin: extensions.get().copied().unwrap_or_default(),
            agent: extensions.get().cloned().unwrap_or_default(),
        }
    }

    /// The client's address, if known.
    pub fn address(&self) -> Option<IpAddr> {
        self.origin.address
    }

    /// The call, once the principal is known.
    pub fn call(&self, principal: Principal) -> Call {
        Call { principal, request_id: self.request_id, origin: self.origin, agent: self.agent.clone() }
    }
}

/// Authenticates by `zot-identity`, counts credentials for the metrics, and records refusals in the audit trail.
#[derive(Clone)]
pub struct Authenticator {
    identity: Arc<Identity>,
    authorizer: Authorizer,
}

impl Authenticator {
    pub fn new(identity: Arc<Identity>, authorizer: Authorizer) -> Self {
        Self { identity, authorizer }
    }

    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Counts checked credentials and records their refusal. None: there were no credentials.
    pub fn observe(&self, sender: &Sender, presented: &Presented) -> Option<Authentication> {
        self.outcome(sender, presented.method?, presented.principal.as_ref())
    }

    /// The same for credentials that are checked elsewhere.
    pub fn outcome(
        &self,
        sender: &Sender,
        method: &'static str,
        outcome: std::result::Result<&Principal, &Error>,
    ) -> Option<Authentication> {
        match outcome {
            // the credentials were not checked; or they are correct, but a parameter is not
            Ok(_) | Err(Error::Unavailable { .. } | Error::TooManyRequests(_) | Error::ParameterInvalid(_)) => {
                Some(Authentication { method, success: outcome.is_ok() })
            }
            Err(why) => Some(self.refused(sender, method, &why.to_string())),
        }
    }

    /// Records wrong credentials; `why` must not contain any of them.
    pub fn refused(&self, sender: &Sender, method: &'static str, why: &str) -> Authentication {
        let of = (sender.request_id, sender.origin, &sender.agent);
        self.authorizer.decision_log().note_refused_credentials(of, method, why);
        Authentication { method, success: false }
    }
}

/// The result of authentication. APIs refuse wrong credentials in their own dialect, even where none are needed: a
/// client that sends some wants to know that they are wrong.
#[derive(Clone)]
pub struct Caller {
    principal: std::result::Result<Principal, Refused>,
    sender: Sender,
}

/// Why credentials were refused. Errors cannot be cloned, but several readers need one.
#[derive(Clone)]
enum Refused {
    Invalid(String),
    Expired(String),
    TooMany(String),
    Unavailable(&'static str),
}

impl Refused {
    fn of(error: Error) -> Self {
        match error {
            Error::CredentialsExpired(why) => Self::Expired(why),
            Error::TooManyRequests(why) => Self::TooMany(why),
            Error::Unavailable { component, source } => {
                tracing::warn!(component, %source, "authentication is unavailable");
                Self::Unavailable(component)
            }
            other => Self::Invalid(other.to_string()),
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Invalid(why) => Error::CredentialsInvalid(why.clone()),
            Self::Expired(why) => Error::CredentialsExpired(why.clone()),
            Self::TooMany(why) => Error::TooManyRequests(why.clone()),
            Self::Unavailable(component) => {
                Error::Unavailable { component, source: "needed to authenticate the request".into() }
            }
        }
    }
}

impl Caller {
    pub fn call(&self) -> Result<Call> {
        match &self.principal {
            Ok(principal) => Ok(self.sender.call(principal.clone())),
            Err(refused) => Err(refused.error()),
        }
    }

    /// The sender, whatever its credentials are.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(crate) fn subject(&self) -> &str {
        self.principal.as_ref().map_or("invalid", |principal| principal.subject.as_str())
    }
}

/// Adds the [`Caller`] to each request, and to the response for the log.
pub(crate) async fn authenticate(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let sender = Sender::of(request.extensions());
    let presented = authenticator.identity.principal(request.headers(), sender.address()).await;
    let authentication = authenticator.observe(&sender, &presented);
    let caller = Caller { principal: presented.principal.map_err(Refused::of), sender };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    if let Some(authentication) = authentication {
        response.extensions_mut().insert(authentication);
    }
    response
}
