//! `/rbac/roles`, `/rbac/users/{userId}/roles` and `/rbac/validate`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ignored, Permission};

/// A role to be kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "release", "description": "May publish releases", "resource": "release/*", "permissions": ["read", "write"]}))]
pub struct RoleInput {
    /// As the identity provider and policies name it. Where the path has an id, that one counts.
    #[serde(default)]
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Of what: as in policies. Left out: everything.
    pub resource: Option<String>,
    /// What its holders may do: as the actions of policies.
    #[schema(min_items = 1)]
    pub permissions: Vec<String>,
    /// Set by the server; accepted so that what was read may be sent back, and ignored.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub created_at: Ignored,
}

/// A role.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// As the identity provider and policies name it.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Of what: as in policies.
    pub resource: String,
    /// What its holders may do: as the actions of policies.
    pub permissions: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// All roles.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Roles {
    /// By their ids.
    pub roles: Vec<Role>,
}

/// A role of a principal.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assignment {
    /// The role's id.
    pub role_id: String,
}

/// A token to be examined.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenInput {
    /// A token of a trusted issuer, or a registry token.
    pub token: String,
}

/// What a token says.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Validated)]
pub struct ValidatedToken {
    /// Whether it is accepted.
    pub valid: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whose it is, as policies call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The user name that it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// As policies call them.
    pub roles: Vec<String>,
    /// As policies call them.
    pub groups: Vec<String>,
    /// What they may do.
    pub permissions: Vec<Permission>,
}
