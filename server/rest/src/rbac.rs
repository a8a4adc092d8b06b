//! `/rbac`: policies, explanations of decisions, and the caller's permissions.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use zot_api::{CurrentPrincipal, Effect, ExplainRequest, Explanation, Permission, Policies, Policy, PolicyInput};
use zot_core::action::Action;
use zot_core::policy;
use zot_core::principal::Principal;
use zot_domain::access::{self, Question};
use zot_domain::ports::access::StoredPolicy;
use zot_domain::{Call, Error};

use crate::error::Result;
use crate::extract::{Caller, JsonBody, Prefix};
use crate::{Rest, time};

fn sent(input: PolicyInput) -> policy::Policy {
    let PolicyInput { id, name, description, resource, actions, effect, principals, conditions, .. } = input;
    let effect = match effect {
        Effect::Allow => policy::Effect::Allow,
        Effect::Deny => policy::Effect::Deny,
    };
    policy::Policy { id, name, description, resource, actions, effect, principals, conditions }
}

fn shown(stored: StoredPolicy) -> Policy {
    let policy::Policy { id, name, description, resource, actions, effect, principals, conditions } = stored.policy;
    let effect = match effect {
        policy::Effect::Allow => Effect::Allow,
        policy::Effect::Deny => Effect::Deny,
    };
    let (created_at, updated_at) = (time(stored.created), time(stored.updated));
    Policy { id, name, description, resource, actions, effect, principals, conditions, created_at, updated_at }
}

/// What somebody may, or may not, do.
pub(crate) fn permission(it: access::Permission) -> Permission {
    let actions = it.actions.iter().map(|action| action.as_str().to_owned()).collect();
    let effect = if it.denied { Effect::Deny } else { Effect::Allow };
    Permission { resource: it.resource, actions, effect, conditional: it.conditional }
}

/// Lists all policies.
#[utoipa::path(
    get, path = "/rbac/policies", operation_id = "listPolicies", tag = "policies",
    responses(
        (status = 200, description = "All policies, sorted by id.", body = Policies),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn list(State(rest): State<Rest>, Caller(call): Caller) -> Result<Json<Policies>> {
    let policies: Vec<Policy> = rest.access.policies(&call).await?.into_iter().map(shown).collect();
    Ok(Json(Policies { count: policies.len(), policies }))
}

/// Creates a policy.
///
/// It applies at once here, and within a second on other replicas.
#[utoipa::path(
    post, path = "/rbac/policies", operation_id = "createPolicy", tag = "policies",
    request_body = PolicyInput,
    responses(
        (status = 201, description = "The new policy.", body = Policy,
            headers(("Location" = String, description = "Path of the new resource."))),
        (status = 400, description = "The policy is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 409, description = "A policy with that id exists."),
    ),
)]
pub(crate) async fn create(
    State(rest): State<Rest>,
    Caller(call): Caller,
    prefix: Prefix,
    JsonBody(input): JsonBody<PolicyInput>,
) -> Result<Response> {
    let made = shown(rest.access.create_policy(&call, sent(input)).await?);
    Ok(prefix.created(&format!("/rbac/policies/{}", made.id), made))
}

/// Gets a policy.
#[utoipa::path(
    get, path = "/rbac/policies/{id}", operation_id = "getPolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    responses(
        (status = 200, description = "The policy.", body = Policy),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The policy does not exist."),
    ),
)]
pub(crate) async fn get(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Caller(call): Caller,
) -> Result<Json<Policy>> {
    Ok(Json(shown(rest.access.policy(&call, &id).await?)))
}

/// Replaces a policy.
///
/// The new one applies at once here, and within a second on other replicas.
#[utoipa::path(
    put, path = "/rbac/policies/{id}", operation_id = "replacePolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    request_body = PolicyInput,
    responses(
        (status = 200, description = "The changed policy.", body = Policy),
        (status = 400, description = "The policy is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The policy does not exist."),
    ),
)]
pub(crate) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Caller(call): Caller,
    JsonBody(input): JsonBody<PolicyInput>,
) -> Result<Json<Policy>> {
    Ok(Json(shown(rest.access.replace_policy(&call, &id, sent(input)).await?)))
}

/// Deletes a policy.
#[utoipa::path(
    delete, path = "/rbac/policies/{id}", operation_id = "deletePolicy", tag = "policies",
    params(("id" = String, Path, description = "A policy's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The policy does not exist."),
    ),
)]
pub(crate) async fn delete(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Caller(call): Caller,
) -> Result<StatusCode> {
    rest.access.delete_policy(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Explains a decision.
///
/// The store decides as if the user sent a request now, from the caller's address and connection. The user has no claims;
/// an account has its name as `username`. Accounts and access keys have their own roles and groups. Users have only those
/// in the request, since the store knows no others. Everybody may ask about themselves.
#[utoipa::path(
    post, path = "/rbac/authorize", operation_id = "explainDecision", tag = "policies",
    request_body = ExplainRequest,
    responses(
        (status = 200, description = "The decision and its reason.", body = Explanation),
        (status = 400, description = "The action or the resource is invalid."),
        (status = 403, description = "Needs `admin` on `system:policies` to ask about others."),
        (status = 404, description = "The account or access key does not exist, or is disabled or expired."),
    ),
)]
pub(crate) async fn authorize(
    State(rest): State<Rest>,
    Caller(call): Caller,
    JsonBody(asked): JsonBody<ExplainRequest>,
) -> Result<Json<Explanation>> {
    let (action, second) = actions(&asked.action)?;
    let principal = principal(&rest, &call, &asked)?;
    let explain = |action: Action| {
        let question = Question { principal: principal.clone(), action, resource: asked.resource.clone() };
        rest.access.explain(&call, &question)
    };
    // `write` is allowed if both of its actions are
    let mut decision = explain(action)?;
    if let Some(second) = second.filter(|_| decision.allowed) {
        decision = explain(second)?;
    }
    Ok(Json(Explanation {
        allowed: decision.allowed,
        reason: decision.reason.as_str().to_owned(),
        policy_id: decision.policy,
    }))
}

/// Lists what the caller may do.
///
/// Denials are marked, and so are rights with conditions.
#[utoipa::path(
    get, path = "/rbac/permissions", operation_id = "getPermissions", tag = "policies",
    responses(
        (status = 200, description = "The permissions, with the patterns of policies.", body = CurrentPrincipal),
    ),
)]
pub(crate) async fn permissions(State(rest): State<Rest>, Caller(call): Caller) -> Result<Json<CurrentPrincipal>> {
    let permissions = rest.access.permissions(&call)?.into_iter().map(permission).collect();
    let of = |kind| call.principal.names_of(kind).map(str::to_owned).collect();
    let (roles, groups) = (of("role"), of("group"));
    Ok(Json(CurrentPrincipal { subject: call.principal.subject, roles, groups, permissions }))
}

/// The action of that name. `write` stands for two.
fn actions(name: &str) -> zot_domain::Result<(Action, Option<Action>)> {
    if name == "write" {
        return Ok((Action::Create, Some(Action::Update)));
    }
    let action = Action::ALL.into_iter().find(|action| action.as_str() == name);
    let known = "read, list, create, update, write, delete, admin";
    let unknown = || Error::ParameterInvalid(format!("action: unknown action {name:?}; expected one of {known}"));
    Ok((action.ok_or_else(unknown)?, None))
}

/// The principal of that name, with the requested roles and groups and those that the store knows. By default, the caller.
fn principal(rest: &Rest, call: &Call, asked: &ExplainRequest) -> zot_domain::Result<Principal> {
    let user = match asked.user_id.as_deref() {
        None if asked.roles.is_empty() && asked.groups.is_empty() => return Ok(call.principal.clone()),
        Some("anonymous") => return Ok(Principal::anonymous()),
        user => user.unwrap_or("somebody"),
    };
    let subject = if user.contains(':') { user.to_owned() } else { format!("user:{user}") };
    let of = |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind}:{name}")).collect::<Vec<_>>();
    let more = [of("role", &asked.roles), of("group", &asked.groups)].concat();
    let known = if subject.starts_with("account:") || subject.starts_with("key:") {
        // only administrators may learn whether it exists
        rest.access.require_admin(call)?;
        let absent = || Error::NotFound(format!("{subject} does not exist or is disabled"));
        rest.identity.named(&subject).ok_or_else(absent)?
    } else {
        Principal::known(&subject, [subject.clone()], BTreeMap::new())
    };
    Ok(known.also(&more))
}
