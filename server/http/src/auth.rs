//! Who is behind each request of the main port: asked of `zot-identity`, and handed to the handlers as the [`Caller`].

pub(crate) mod token;

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use zot_domain::identity::{Origin, RequestId};
use zot_domain::observed::Authentication;
use zot_domain::{Call, Error, Principal, Result};
use zot_identity::Presented;

use crate::App;

/// The outcome of authentication. Doors refuse bad credentials in their own dialect, even where none are needed:
/// whoever sends some wants to know that they are wrong.
#[derive(Clone)]
pub(crate) struct Caller {
    principal: std::result::Result<Principal, Refused>,
    origin: Origin,
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
            Ok(principal) => Ok(Call { principal: principal.clone(), request_id, origin: self.origin }),
            Err(refused) => Err(refused.error()),
        }
    }

    /// Where the request came from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
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
    let origin = request.extensions().get::<Origin>().copied().unwrap_or_default();
    let Presented { method, principal } = app.identity.principal(request.headers(), origin.address).await;
    let authentication = method.map(|method| Authentication { method, success: principal.is_ok() });
    let caller = Caller { principal: principal.map_err(Refused::of), origin };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    if let Some(authentication) = authentication {
        response.extensions_mut().insert(authentication);
    }
    response
}
