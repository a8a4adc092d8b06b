//! The registry token protocol: a client that was challenged gets a token for a scope.
//!
//! Sources: Docker Registry v2 *Token Authentication* (GET) and *`OAuth2`* (POST). A token leaves out the requested rights
//! that the caller does not have; the request still succeeds. An anonymous caller gets the rights that everybody has.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zot_core::action::Action;
use zot_core::name::RepositoryName;
use zot_core::policy::Resource;
use zot_domain::authorizer::Authorizer;
use zot_domain::call::RequestId;
use zot_domain::{Call, Error, Result};
use zot_gateway::Caller;
use zot_identity::{Access, LIFETIME_SECS, Presented, actions_of};

use crate::Registry;
use crate::error::{Context, Errors, respond};

/// Most scopes of one request.
const SCOPES_MAX: usize = 64;
/// Longest scope, in bytes: a repository's name has up to 255, and there are three actions.
const SCOPE_MAX: usize = 512;
/// Largest form, in bytes: a token of 64 KiB, the most scopes, and a reserve.
pub(crate) const FORM_MAX: usize = 128 * 1024;

/// The protocol's actions.
const ACTIONS: [&str; 3] = ["pull", "push", "delete"];

/// The part of one scope (`repository:team/app:pull,push`) that policy allows. There is none for an unknown scope.
fn granted(policy: &Authorizer, call: &Call, scope: &str) -> Option<Access> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, wanted) = rest.rsplit_once(':')?;
    let repository: Option<RepositoryName> = name.parse().ok();
    let may = |action: &&Action| match (kind, &repository) {
        ("repository", Some(name)) => policy.allows(call, **action, Resource::Repository(name)),
        // each name in the catalog is decided on its own
        ("registry", _) if name == "catalog" && **action == Action::List => policy.allows_catalog(call),
        _ => false,
    };
    // each action once: a client must not make tokens long or decisions slow
    let mut names: Vec<&str> = Vec::new();
    for name in wanted.split(',').map(str::trim) {
        // listed one by one, so that `*` is intersected like the others
        let meant = ACTIONS.into_iter().filter(|known| name == "*" || name == *known);
        let new: Vec<&str> = meant.filter(|known| !names.contains(known)).collect();
        names.extend(new);
    }
    names.retain(|name| actions_of(name).iter().any(|action| may(&action)));
    let actions: Vec<String> = names.into_iter().map(ToOwned::to_owned).collect();
    (!actions.is_empty()).then(|| Access { r#type: kind.to_owned(), name: name.to_owned(), actions })
}

/// A registry token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenAnswer {
    token: String,
    /// The same token, under the `OAuth2` name.
    access_token: String,
    /// In seconds.
    expires_in: i64,
    #[schema(format = DateTime)]
    issued_at: String,
    token_type: &'static str,
}

/// Issues a registry token.
///
/// The token leaves out requested rights that the caller does not have. Without credentials, it has the rights that
/// everybody has.
#[utoipa::path(
    get, path = "/auth/token", operation_id = "getToken", tag = "tokens",
    security((), ("basic" = []), ("bearer" = [])),
    params(
        ("service" = Option<String>, Query, description = "The registry, as its challenge names it."),
        ("scope" = Option<Vec<String>>, Query, description = "`repository:team/app:pull,push`; may be repeated."),
    ),
    responses(
        (status = 200, description = "The token.", body = TokenAnswer),
        (status = 400, description = "Too many scopes, or one that is too long.", body = Errors),
        (status = 401, description = "The credentials are wrong.", body = Errors),
        (status = 429, description = "Too many wrong credentials came from this address.", body = Errors),
    ),
)]
pub(crate) async fn get(
    State(registry): State<Registry>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let scopes = parameters.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.as_str());
    let issued = caller.call().and_then(|call| issue(&registry, &call, scopes));
    // the challenge here is Basic: a Bearer challenge would send the client back here
    answer(&registry, caller.sender().request_id, issued)
}

/// A request for a token by `OAuth2`.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// `password` or `refresh_token`.
    grant_type: Option<String>,
    /// An access key.
    username: Option<String>,
    /// Its secret.
    password: Option<String>,
    /// With `refresh_token`: a token of a trusted issuer.
    refresh_token: Option<String>,
    /// Scopes, with spaces between them.
    scope: Option<String>,
}

/// Issues a registry token by `OAuth2`.
///
/// The grant is `password`, with an access key and its secret or with a trusted issuer's token as the password; or
/// `refresh_token` with such a token.
#[utoipa::path(
    post, path = "/auth/token", operation_id = "createToken", tag = "tokens", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token.", body = TokenAnswer),
        (status = 400, description = "The grant is unknown, a parameter is missing or too long, or there are too many scopes.", body = Errors),
        (status = 401, description = "The credentials are wrong.", body = Errors),
        (status = 429, description = "Too many wrong credentials came from this address.", body = Errors),
    ),
)]
pub(crate) async fn post(
    State(registry): State<Registry>,
    Extension(caller): Extension<Caller>,
    form: std::result::Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let request = match form {
        Ok(Form(request)) => request,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return answer(
                &registry,
                caller.sender().request_id,
                Err(Error::ParameterInvalid("the form is too long".to_owned())),
            );
        }
        Err(_) => TokenRequest::default(),
    };
    let scopes = request.scope.as_deref().into_iter();
    let (sender, identity) = (caller.sender(), registry.authenticator.identity());
    let presented = match (request.grant_type.as_deref(), &request.username, &request.password, &request.refresh_token)
    {
        (Some("password"), Some(id), Some(secret), _) => identity.password(id, secret, sender.address()).await,
        (Some("refresh_token"), _, _, Some(token)) => identity.bearer(token, sender.address()).await,
        _ => {
            let why = "grant_type must be password, with username and password, or refresh_token with a token";
            Presented { method: None, principal: Err(Error::ParameterInvalid(why.to_owned())) }
        }
    };
    let authentication = registry.authenticator.observe(sender, &presented);
    let issued = presented.principal.and_then(|principal| issue(&registry, &sender.call(principal), scopes));
    let mut response = answer(&registry, sender.request_id, issued);
    if let Some(authentication) = authentication {
        response.extensions_mut().insert(authentication);
    }
    response
}

fn issue<'a>(registry: &Registry, call: &Call, scopes: impl Iterator<Item = &'a str>) -> Result<(String, i64)> {
    let scopes = split(scopes)?;
    let access = scopes.into_iter().filter_map(|scope| granted(registry.artifacts.authorizer(), call, scope)).collect();
    let now = zot_core::ambient::now().as_second();
    Ok((registry.authenticator.identity().registry_token(&call.principal, access, now)?, now))
}

/// The scopes in the parameters. One parameter may have several, with spaces between them.
fn split<'a>(parameters: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
    let scopes: Vec<&str> = parameters.flat_map(str::split_whitespace).take(SCOPES_MAX + 1).collect();
    if scopes.len() > SCOPES_MAX {
        return Err(Error::ParameterInvalid(format!("a request may have at most {SCOPES_MAX} scopes")));
    }
    if scopes.iter().any(|scope| scope.len() > SCOPE_MAX) {
        return Err(Error::ParameterInvalid(format!("a scope has at most {SCOPE_MAX} bytes")));
    }
    Ok(scopes)
}

fn answer(registry: &Registry, request_id: RequestId, issued: Result<(String, i64)>) -> Response {
    match issued {
        Ok((token, now)) => {
            let issued_at = jiff::Timestamp::from_second(now).map(|at| at.to_string()).unwrap_or_default();
            let (access_token, token_type) = (token.clone(), "Bearer");
            let body = TokenAnswer { token, access_token, expires_in: LIFETIME_SECS, issued_at, token_type };
            (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Err(error) => respond(&error.into(), &Context::basic(registry, request_id)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zot_core::policy::Settings;
    use zot_core::principal::Principal;
    use zot_domain::call::{Agent, Origin};

    use super::*;

    fn granted_to(role: &str, scope: &str) -> Option<Vec<String>> {
        let policy = Authorizer::new(Settings { access_control: true, anonymous_read: false, read_only: false });
        let principal = match role {
            "anonymous" => Principal::anonymous(),
            role => Principal::known("key:x", [format!("role:{role}")], BTreeMap::new()),
        };
        let (origin, agent) = (Origin::default(), Agent::default());
        let call = Call { principal, request_id: RequestId::new(), origin, agent };
        granted(&policy, &call, scope).map(|access| access.actions)
    }

    #[test]
    fn a_scope_is_cut_to_the_callers_rights() {
        let scope = "repository:team/app:pull,push,delete";
        assert_eq!(granted_to("admin", scope).unwrap(), ["pull", "push", "delete"]);
        assert_eq!(granted_to("viewer", scope).unwrap(), ["pull"]);
        assert_eq!(granted_to("viewer", "repository:team/app:*").unwrap(), ["pull"]);
        assert_eq!(granted_to("anonymous", scope), None);
        assert_eq!(granted_to("viewer", "registry:catalog:*").unwrap(), ["pull"]);
    }

    #[test]
    fn an_action_is_there_once_however_often_it_is_asked_for() {
        for actions in ["*,*,*,*", "pull,push,delete,*", "*,fly,pull, pull ,"] {
            let granted = granted_to("admin", &format!("repository:team/app:{actions}")).unwrap();
            assert_eq!(granted, ["pull", "push", "delete"], "{actions}");
        }
        assert_eq!(granted_to("admin", "repository:team/app:push,pull,push").unwrap(), ["push", "pull"]);
    }

    #[test]
    fn scopes_are_counted_one_by_one() {
        let one = "repository:a/b:pull";
        let [most, more] = [SCOPES_MAX, SCOPES_MAX + 1].map(|count| vec![one; count].join(" "));
        assert_eq!(split([most.as_str()].into_iter()).unwrap().len(), SCOPES_MAX);
        assert!(split([more.as_str()].into_iter()).is_err());
        assert!(split(vec![one; SCOPES_MAX + 1].into_iter()).is_err());
        let name = "n".repeat(255);
        assert!(split([format!("repository:{name}:pull,push,delete").as_str()].into_iter()).is_ok());
        assert!(split([format!("repository:a/b:{}", "*,".repeat(SCOPE_MAX / 2)).as_str()].into_iter()).is_err());
    }

    #[test]
    fn what_is_no_scope_grants_nothing() {
        for scope in [
            "",
            "repository",
            "repository:a/b",
            "repository:../x:pull",
            "registry:other:*",
            "image:team/a:pull",
            "repository:team/app:fly",
        ] {
            assert_eq!(granted_to("admin", scope), None, "{scope}");
        }
    }
}
