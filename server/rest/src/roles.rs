//! `/api/v1/rbac/roles`: roles, which are policies with the id `role-NAME` about whoever has the role; tokens looked at.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zot_core::policy::Policy;
use zot_core::principal::Principal;
use zot_domain::access::Access;
use zot_domain::call::RequestId;
use zot_domain::ports::access::{PolicyChange, StoredPolicy};
use zot_domain::{Error, Result};

use super::rbac::{Permission, access};
use super::{Body, answer, read, time};
use crate::App;
use crate::auth::Caller;

/// Ids of the policies of roles begin so.
const PREFIX: &str = "role-";

/// A role to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "release", "description": "May publish releases", "resource": "release/*", "permissions": ["read", "write"]}))]
pub(crate) struct RoleInput {
    /// As the identity provider and policies name it. Where the path has an id, that one counts.
    #[serde(default)]
    id: String,
    /// For people.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Of what: as in policies. Left out: everything.
    resource: Option<String>,
    /// What its holders may do: as the actions of policies.
    #[schema(min_items = 1)]
    permissions: Vec<String>,
    /// The store's own; taken so that what was read may be sent back, and not looked at.
    #[serde(default, rename = "createdAt")]
    #[schema(value_type = Option<String>)]
    _created_at: IgnoredAny,
}

/// A role.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Role {
    id: String,
    name: String,
    description: String,
    resource: String,
    permissions: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<StoredPolicy> for Role {
    fn from(stored: StoredPolicy) -> Self {
        let StoredPolicy { policy, created, .. } = stored;
        Self {
            id: policy.id.strip_prefix(PREFIX).unwrap_or(&policy.id).to_owned(),
            name: policy.name,
            description: policy.description.unwrap_or_default(),
            resource: policy.resource,
            permissions: policy.actions,
            created_at: time(created),
        }
    }
}

/// All roles.
#[derive(Serialize, ToSchema)]
pub(crate) struct Roles {
    roles: Vec<Role>,
}

/// A role for somebody.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Assignment {
    /// The role's id.
    role_id: String,
}

/// A token to be looked at.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenInput {
    /// A token of a trusted issuer, or a registry token.
    token: String,
}

/// What a token says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Validated {
    /// Whether it is taken.
    valid: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whose it is, as policies call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    roles: Vec<String>,
    groups: Vec<String>,
    permissions: Vec<Permission>,
}

/// Lists all roles.
#[utoipa::path(
    get, path = "/api/v1/rbac/roles", operation_id = "listRoles", tag = "policies",
    responses(
        (status = 200, description = "All of them, by their ids.", body = Roles),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn list(State(app): State<App>, caller: Extension<Caller>, id: Extension<RequestId>) -> Response {
    answer(&caller, *id, async |call| {
        let policies = access(&app)?.policies(&call).await?;
        let roles = policies.into_iter().filter(|it| it.policy.id.starts_with(PREFIX)).map(Role::from).collect();
        Ok(Json(Roles { roles }).into_response())
    })
    .await
}

/// Makes a role.
///
/// Whoever the identity provider gives a role of this name has it; so has an account with it.
#[utoipa::path(
    post, path = "/api/v1/rbac/roles", operation_id = "createRole", tag = "policies",
    request_body = RoleInput,
    responses(
        (status = 201, description = "The role that was made.", body = Role,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The role cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 409, description = "There is one of that id."),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<RoleInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let input = read(body)?;
        if input.id.is_empty() {
            return Err(Error::ParameterInvalid("id: name the role".to_owned()));
        }
        let policy = Policy {
            id: format!("{PREFIX}{}", input.id),
            principals: vec![format!("role:{}", input.id)],
            name: input.id.clone(),
            resource: "*".to_owned(),
            ..Policy::default()
        };
        let made = access(&app)?.create_policy(&call, of(policy, input)).await?;
        let role = Role::from(made);
        let location = format!("/api/v1/rbac/roles/{}", role.id);
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(role)).into_response())
    })
    .await
}

/// Gets a role.
#[utoipa::path(
    get, path = "/api/v1/rbac/roles/{roleId}", operation_id = "getRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    responses(
        (status = 200, description = "The role.", body = Role),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such role."),
    ),
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(role): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        let stored = access(&app)?.policy(&call, &format!("{PREFIX}{role}")).await?;
        Ok(Json(Role::from(stored)).into_response())
    })
    .await
}

/// Changes a role.
///
/// Whom its policy names beside the role's holders, and its conditions, stay.
#[utoipa::path(
    put, path = "/api/v1/rbac/roles/{roleId}", operation_id = "replaceRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    request_body = RoleInput,
    responses(
        (status = 200, description = "The role as it is now.", body = Role),
        (status = 400, description = "The role cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such role."),
    ),
)]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(role): Path<String>,
    body: Body<RoleInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let RoleInput { name, description, resource, permissions, .. } = read(body)?;
        let change =
            PolicyChange { name, description, resource, actions: Some(permissions), ..PolicyChange::default() };
        let changed = access(&app)?.change_policy(&call, &format!("{PREFIX}{role}"), change).await?;
        Ok(Json(Role::from(changed)).into_response())
    })
    .await
}

/// Removes a role: whoever has it may do no more for it.
#[utoipa::path(
    delete, path = "/api/v1/rbac/roles/{roleId}", operation_id = "deleteRole", tag = "policies",
    params(("roleId" = String, Path, description = "A role's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such role."),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(role): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        access(&app)?.delete_policy(&call, &format!("{PREFIX}{role}")).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Gives a user the rights of a role.
///
/// The role's policy names them from then on. Roles that an identity provider gives need no such thing.
#[utoipa::path(
    post, path = "/api/v1/rbac/users/{userId}/roles", operation_id = "assignRole", tag = "policies",
    params(("userId" = String, Path, description = "A user, or another principal such as `account:ci`.")),
    request_body = Assignment,
    responses(
        (status = 200, description = "The role.", body = Role),
        (status = 400, description = "That is no principal."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
        (status = 404, description = "There is no such role."),
    ),
)]
pub(crate) async fn assign(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(user): Path<String>,
    body: Body<Assignment>,
) -> Response {
    answer(&caller, *id, async |call| {
        let input = read(body)?;
        let user = if user.contains(':') { user } else { format!("user:{user}") };
        let change = PolicyChange { principal: Some(user), ..PolicyChange::default() };
        let changed = access(&app)?.change_policy(&call, &format!("{PREFIX}{}", input.role_id), change).await?;
        Ok(Json(Role::from(changed)).into_response())
    })
    .await
}

/// Looks at a token: whose it is, and what they may do.
#[utoipa::path(
    post, path = "/api/v1/rbac/validate", operation_id = "validateToken", tag = "policies",
    request_body = TokenInput,
    responses(
        (status = 200, description = "What it says, or why it is not taken.", body = Validated),
        (status = 400, description = "There is no token in the request."),
        (status = 403, description = "Needs `admin` on `system:policies`."),
    ),
)]
pub(crate) async fn validate(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<TokenInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let access = access(&app)?;
        access.require_admin(&call)?;
        let principal = app.identity.examined(&read(body)?.token).await;
        Ok(Json(validated(access, principal)?).into_response())
    })
    .await
}

fn validated(access: &Access, principal: Result<Principal>) -> Result<Validated> {
    match principal {
        Ok(principal) => {
            let of = |kind| principal.names_of(kind).map(str::to_owned).collect();
            Ok(Validated {
                valid: true,
                reason: None,
                username: principal.claims.get("username").and_then(|names| names.first()).cloned(),
                roles: of("role"),
                groups: of("group"),
                permissions: access.permissions_of(&principal).into_iter().map(Permission::from).collect(),
                user_id: Some(principal.subject),
            })
        }
        Err(error @ (Error::CredentialsInvalid(_) | Error::CredentialsExpired(_))) => Ok(Validated {
            valid: false,
            reason: Some(error.to_string()),
            user_id: None,
            username: None,
            roles: Vec::new(),
            groups: Vec::new(),
            permissions: Vec::new(),
        }),
        Err(error) => Err(error),
    }
}

fn of(policy: Policy, input: RoleInput) -> Policy {
    Policy {
        name: input.name.unwrap_or(policy.name),
        description: input.description.or(policy.description),
        resource: input.resource.unwrap_or(policy.resource),
        actions: input.permissions,
        ..policy
    }
}
