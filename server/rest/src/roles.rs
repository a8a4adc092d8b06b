//! `/rbac/roles`: roles. A role is a policy with the id `role-NAME` for the role's holders. `/rbac/validate`: tokens.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use zot_api::{Assignment, Role, RoleInput, Roles, TokenInput, ValidatedToken};
use zot_core::policy::Policy;
use zot_core::principal::Principal;
use zot_domain::access::Access;
use zot_domain::ports::access::{PolicyChange, StoredPolicy};
use zot_domain::{Error, Result as DomainResult};

use crate::error::Result;
use crate::extract::{Caller, JsonBody, PolicyAdministrator, Prefix};
use crate::rbac::permission;
use crate::{Rest, time};

/// Prefix of the policy ids of roles.
const PREFIX: &str = "role-";

fn policy_id(role: &str) -> String {
    format!("{PREFIX}{role}")
}

fn role(stored: StoredPolicy) -> Role {
    let StoredPolicy { policy, created, .. } = stored;
    Role {
        id: policy.id.strip_prefix(PREFIX).unwrap_or(&policy.id).to_owned(),
        name: policy.name,
        description: policy.description.unwrap_or_default(),
        resource: policy.resource,
        permissions: policy.actions,
        created_at: time(created),
    }
}

/// Lists all roles.
#[utoipa::path(
    get, path = "/rbac/roles", operation_id = "listRoles", tag = "policies",
    responses(
        (status = 200, description = "All roles, sorted by id.", body = Roles),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn list(State(rest): State<Rest>, Caller(call): Caller) -> Result<Json<Roles>> {
    let policies = rest.access.policies(&call).await?;
    let roles = policies.into_iter().filter(|it| it.policy.id.starts_with(PREFIX)).map(role).collect();
    Ok(Json(Roles { roles }))
}

/// Creates a role.
///
/// Users have it if the identity provider gives them a role of this name. Accounts have it if it is among their roles.
#[utoipa::path(
    post, path = "/rbac/roles", operation_id = "createRole", tag = "policies",
    request_body = RoleInput,
    responses(
        (status = 201, description = "The new role.", body = Role,
            headers(("Location" = String, description = "Path of the new resource."))),
        (status = 400, description = "The role is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 409, description = "A role with that id exists."),
    ),
)]
pub(crate) async fn create(
    State(rest): State<Rest>,
    Caller(call): Caller,
    prefix: Prefix,
    JsonBody(input): JsonBody<RoleInput>,
) -> Result<Response> {
    if input.id.is_empty() {
        return Err(Error::ParameterInvalid("id: name the role".to_owned()).into());
    }
    let policy = Policy {
        id: policy_id(&input.id),
        principals: vec![format!("role:{}", input.id)],
        name: input.name.unwrap_or(input.id),
        description: input.description,
        resource: input.resource.unwrap_or_else(|| "*".to_owned()),
        actions: input.permissions,
        ..Policy::default()
    };
    let made = role(rest.access.create_policy(&call, policy).await?);
    Ok(prefix.created(&format!("/rbac/roles/{}", made.id), made))
}

/// Gets a role.
#[utoipa::path(
    get, path = "/rbac/roles/{roleId}", operation_id = "getRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    responses(
        (status = 200, description = "The role.", body = Role),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The role does not exist."),
    ),
)]
pub(crate) async fn get(State(rest): State<Rest>, Path(id): Path<String>, Caller(call): Caller) -> Result<Json<Role>> {
    Ok(Json(role(rest.access.policy(&call, &policy_id(&id)).await?)))
}

/// Changes a role.
///
/// The policy's conditions, and its principals other than the role's holders, stay.
#[utoipa::path(
    put, path = "/rbac/roles/{roleId}", operation_id = "replaceRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    request_body = RoleInput,
    responses(
        (status = 200, description = "The changed role.", body = Role),
        (status = 400, description = "The role is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The role does not exist."),
    ),
)]
pub(crate) async fn replace(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Caller(call): Caller,
    JsonBody(input): JsonBody<RoleInput>,
) -> Result<Json<Role>> {
    let RoleInput { name, description, resource, permissions, .. } = input;
    let change = PolicyChange { name, description, resource, actions: Some(permissions), ..PolicyChange::default() };
    Ok(Json(role(rest.access.change_policy(&call, &policy_id(&id), change).await?)))
}

/// Deletes a role. Its holders lose the role's rights.
#[utoipa::path(
    delete, path = "/rbac/roles/{roleId}", operation_id = "deleteRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The role does not exist."),
    ),
)]
pub(crate) async fn delete(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Caller(call): Caller,
) -> Result<StatusCode> {
    rest.access.delete_policy(&call, &policy_id(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a user the rights of a role.
///
/// This adds the user to the role's policy. Users who have the role from an identity provider do not need this.
#[utoipa::path(
    post, path = "/rbac/users/{userId}/roles", operation_id = "assignRole", tag = "policies",
    params(("userId" = String, Path, description = "A user, or another principal such as `account:ci`.")),
    request_body = Assignment,
    responses(
        (status = 200, description = "The role.", body = Role),
        (status = 400, description = "The principal is invalid."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "The role does not exist."),
    ),
)]
pub(crate) async fn assign(
    State(rest): State<Rest>,
    Path(user): Path<String>,
    Caller(call): Caller,
    JsonBody(assignment): JsonBody<Assignment>,
) -> Result<Json<Role>> {
    let user = if user.contains(':') { user } else { format!("user:{user}") };
    let change = PolicyChange { principal: Some(user), ..PolicyChange::default() };
    Ok(Json(role(rest.access.change_policy(&call, &policy_id(&assignment.role_id), change).await?)))
}

/// Validates a token: shows whose it is, and what they may do.
#[utoipa::path(
    post, path = "/rbac/validate", operation_id = "validateToken", tag = "policies",
    request_body = TokenInput,
    responses(
        (status = 200, description = "The token's content, or why it is refused.", body = ValidatedToken),
        (status = 400, description = "The request has no token."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn validate(
    State(rest): State<Rest>,
    _: PolicyAdministrator,
    JsonBody(input): JsonBody<TokenInput>,
) -> Result<Json<ValidatedToken>> {
    let principal = rest.identity.examined(&input.token).await;
    Ok(Json(validated(&rest.access, principal)?))
}

fn validated(access: &Access, principal: DomainResult<Principal>) -> DomainResult<ValidatedToken> {
    match principal {
        Ok(principal) => {
            let of = |kind| principal.names_of(kind).map(str::to_owned).collect();
            Ok(ValidatedToken {
                valid: true,
                reason: None,
                username: principal.claims.get("username").and_then(|names| names.first()).cloned(),
                roles: of("role"),
                groups: of("group"),
                permissions: access.permissions_of(&principal).into_iter().map(permission).collect(),
                user_id: Some(principal.subject),
            })
        }
        Err(error @ (Error::CredentialsInvalid(_) | Error::CredentialsExpired(_))) => {
            Ok(ValidatedToken { reason: Some(error.to_string()), ..ValidatedToken::default() })
        }
        Err(error) => Err(error),
    }
}
