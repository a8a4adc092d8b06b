//! `/api/v1/rbac`: policies, decisions explained, and what oneself may do.

mod bodies;

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use zot_core::action::Action;
use zot_core::principal::Principal;
use zot_domain::access::{Access, Question};
use zot_domain::call::RequestId;
use zot_domain::{Call, Error, Result};

pub(super) use self::bodies::Permission;
use self::bodies::{Asked, Decided, Oneself, Policies, Policy, PolicyInput};
use super::{Body, answer, read};
use crate::App;
use crate::auth::Caller;

/// Lists all policies.
#[utoipa::path(
    get, path = "/api/v1/rbac/policies", operation_id = "listPolicies", tag = "policies",
    responses(
        (status = 200, description = "All of them, by their ids.", body = Policies),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn list(State(app): State<App>, caller: Extension<Caller>, id: Extension<RequestId>) -> Response {
    answer(&caller, *id, async |call| Ok(Json(Policies::from(access(&app)?.policies(&call).await?)).into_response()))
        .await
}

/// Makes a policy.
///
/// It is in force at once here, and within a second on other replicas.
#[utoipa::path(
    post, path = "/api/v1/rbac/policies", operation_id = "createPolicy", tag = "policies",
    request_body = PolicyInput,
    responses(
        (status = 201, description = "The policy that was made.", body = Policy,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The policy cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 409, description = "There is one of that id."),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<PolicyInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let made = access(&app)?.create_policy(&call, read(body)?.into()).await?;
        let location = format!("/api/v1/rbac/policies/{}", made.policy.id);
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(Policy::from(made))).into_response())
    })
    .await
}

/// Gets a policy.
#[utoipa::path(
    get, path = "/api/v1/rbac/policies/{id}", operation_id = "getPolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    responses(
        (status = 200, description = "The policy.", body = Policy),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such policy."),
    ),
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(policy): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        Ok(Json(Policy::from(access(&app)?.policy(&call, &policy).await?)).into_response())
    })
    .await
}

/// Changes a policy.
///
/// All of it is replaced. It is in force as a new one is.
#[utoipa::path(
    put, path = "/api/v1/rbac/policies/{id}", operation_id = "replacePolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    request_body = PolicyInput,
    responses(
        (status = 200, description = "The policy as it is now.", body = Policy),
        (status = 400, description = "The policy cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such policy."),
    ),
)]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(policy): Path<String>,
    body: Body<PolicyInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let changed = access(&app)?.replace_policy(&call, &policy, read(body)?.into()).await?;
        Ok(Json(Policy::from(changed)).into_response())
    })
    .await
}

/// Removes a policy.
#[utoipa::path(
    delete, path = "/api/v1/rbac/policies/{id}", operation_id = "deletePolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such policy."),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(policy): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        access(&app)?.delete_policy(&call, &policy).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Explains a decision.
///
/// It is decided as if that user asked now, from the caller's address and over the caller's connection; of claims they
/// have none, an account its name as `username`. Accounts and access keys have the roles and groups that they have; of
/// users the store knows none but those in the question. Everybody may ask about themselves.
#[utoipa::path(
    post, path = "/api/v1/rbac/authorize", operation_id = "explainDecision", tag = "policies",
    request_body = Asked,
    responses(
        (status = 200, description = "The decision, and why.", body = Decided),
        (status = 400, description = "The action or the resource cannot be."),
        (status = 403, description = "Needs `admin` on `system:policies` to ask about others."),
        (status = 404, description = "There is no such account or access key, or it is not accepted now."),
    ),
)]
pub(crate) async fn authorize(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<Asked>,
) -> Response {
    answer(&caller, *id, async |call| {
        let question = question(&app, &call, read(body)?)?;
        Ok(Json(Decided::from(access(&app)?.explain(&call, &question)?)).into_response())
    })
    .await
}

/// Lists what oneself may do.
///
/// Denials are told apart, and so is what depends on conditions.
#[utoipa::path(
    get, path = "/api/v1/rbac/permissions", operation_id = "getPermissions", tag = "policies",
    responses(
        (status = 200, description = "By the patterns of policies.", body = Oneself),
    ),
)]
pub(crate) async fn permissions(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
) -> Response {
    answer(&caller, *id, async |call| {
        let permissions = access(&app)?.permissions(&call)?.into_iter().map(Permission::from).collect();
        let of = |kind| call.principal.names_of(kind).map(str::to_owned).collect();
        let (roles, groups) = (of("role"), of("group"));
        Ok(Json(Oneself { subject: call.principal.subject, roles, groups, permissions }).into_response())
    })
    .await
}

pub(super) fn access(app: &App) -> Result<&Access> {
    app.access.as_ref().ok_or_else(|| Error::NotImplemented("policies are not kept here".to_owned()))
}

/// Somebody by name, with the roles and groups that are named, and those that they are known to have; or the caller.
fn question(app: &App, call: &Call, asked: Asked) -> Result<Question> {
    let action = Action::ALL.into_iter().find(|action| action.as_str() == asked.action);
    let action = action.ok_or_else(|| {
        Error::ParameterInvalid(format!(
            "action: {:?} is none of read, list, create, update, delete, admin",
            asked.action
        ))
    })?;
    let principal = match &asked.user_id {
        None if asked.roles.is_empty() && asked.groups.is_empty() => call.principal.clone(),
        Some(anonymous) if anonymous == "anonymous" => Principal::anonymous(),
        whom => {
            let user = whom.as_deref().unwrap_or("somebody");
            let subject = if user.contains(':') { user.to_owned() } else { format!("user:{user}") };
            let of =
                |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind}:{name}")).collect::<Vec<_>>();
            let more = [of("role", &asked.roles), of("group", &asked.groups)].concat();
            let known = if subject.starts_with("account:") || subject.starts_with("key:") {
                // whether there is one is not for everybody
                access(app)?.require_admin(call)?;
                let found = app.identity.named(&subject);
                found.ok_or_else(|| {
                    Error::NotFound(format!("nobody can come as {subject}: it is not there, or disabled"))
                })?
            } else {
                Principal::known(&subject, [subject.clone()], BTreeMap::new())
            };
            known.also(&more)
        }
    };
    Ok(Question { principal, action, resource: asked.resource })
}
