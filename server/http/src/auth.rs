//! Who is behind each request of the main port: asked of `zot-identity`, and handed to the handlers as the [`Caller`].

pub(crate) mod token;

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use zot_core::principal::Principal;
use zot_domain::call::{Agent, Origin, RequestId};
use zot_domain::observed::Authentication;
use zot_domain::{Call, Error, Result};
use zot_identity::Presented;

use crate::App;

/// The outcome of authentication. Doors refuse bad credentials in their own dialect, even where none are needed:
/// whoever sends some wants to know that they are wrong.
#[derive(Clone)]
pub(crate) struct Caller {
    principal: std::result::Result<Principal, Refused>,
    origin: Origin,
    agent: Agent,
}

/// Why credentials were not taken. Errors cannot be cloned, and each reader of the caller wants one.
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
                tracing::warn!(component, %source, "nobody can be authenticated");
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
    /// The call, for a use case.
    pub(crate) fn call(&self, request_id: RequestId) -> Result<Call> {
        match &self.principal {
            Ok(principal) => Ok(self.call_of(principal.clone(), request_id)),
            Err(refused) => Err(refused.error()),
        }
    }

    /// The call of somebody who is known by other credentials than the request's header has.
    pub(crate) fn call_of(&self, principal: Principal, request_id: RequestId) -> Call {
        Call { principal, request_id, origin: self.origin, agent: self.agent.clone() }
    }

    /// Credentials of the request were not taken: for the audit trail.
    pub(crate) fn note_refused(&self, app: &App, request_id: RequestId, presented: &Presented) {
        match (presented.method, &presented.principal) {
            // nobody could tell whether they are right, or has looked: what has to wait must not fill the trail
            (_, Err(Error::Unavailable { .. } | Error::TooManyRequests(_))) => {}
            (Some(method), Err(why)) => {
                let of = (request_id, self.origin, &self.agent);
                app.artifacts.authorizer().decision_log().note_refused_credentials(of, method, &why.to_string());
            }
            _ => {}
        }
    }

    /// From which address it came.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.origin.address
    }

    /// For logs.
    pub(crate) fn subject(&self) -> &str {
        self.principal.as_ref().map_or("invalid", |principal| principal.subject.as_str())
    }
}

/// Puts the [`Caller`] into each request, and takes it along into the response for the log.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let origin = extensions.get::<Origin>().copied().unwrap_or_default();
    let agent = extensions.get::<Agent>().cloned().unwrap_or_default();
    let request_id = extensions.get::<RequestId>().copied().unwrap_or_default();
    let presented = app.identity.principal(request.headers(), origin.address).await;
    let mut caller = Caller { principal: Ok(Principal::anonymous()), origin, agent };
    caller.note_refused(&app, request_id, &presented);
    let Presented { method, principal } = presented;
    let authentication = method.map(|method| Authentication { method, success: principal.is_ok() });
    caller.principal = principal.map_err(Refused::of);
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    if let Some(authentication) = authentication {
        response.extensions_mut().insert(authentication);
    }
    response
}
