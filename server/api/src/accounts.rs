//! `/rbac/accounts`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Ignored;

/// An account to be kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "ci", "description": "The build pipeline", "roles": ["developer"]}))]
pub struct AccountInput {
    /// 1 to 63 of a-z, 0-9, `-`, `_` and `.`. Where the path has a name, that one counts.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Roles that it has, as policies call them.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Groups that it is in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// None of its keys is accepted while it is disabled.
    #[serde(default)]
    pub disabled: bool,
    /// Set by the server; accepted so that what was read may be sent back, and ignored.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub principal: Ignored,
    /// As `principal`.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub created_at: Ignored,
    /// As `principal`.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub updated_at: Ignored,
    /// As `principal`.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<Vec<String>>)]
    pub warnings: Ignored,
}

/// An account of a program.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Unique.
    pub name: String,
    /// What policies and the audit trail call it.
    pub principal: String,
    /// What it is for.
    pub description: String,
    /// As policies call them.
    pub roles: Vec<String>,
    /// As policies call them.
    pub groups: Vec<String>,
    /// None of its keys is accepted while it is disabled.
    pub disabled: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// What of it may be mistyped, in the answer to the request that made or changed it: names that no policy has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

/// All accounts.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = AccountList)]
pub struct Accounts {
    /// By their names.
    pub accounts: Vec<Account>,
    /// How many they are.
    pub count: usize,
}
