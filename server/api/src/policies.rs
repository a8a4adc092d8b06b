//! `/rbac/policies`, `/rbac/authorize` and `/rbac/permissions`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::Ignored;

/// Whether a policy allows or denies; a denial wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// What it names may be done.
    #[default]
    Allow,
    /// What it names may not be done.
    Deny,
}

/// A policy to be kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "id": "open", "name": "Open to everybody", "resource": "open/*", "actions": ["read", "list"],
    "principals": ["anonymous"],
}))]
pub struct PolicyInput {
    /// Unique; made if it is left out. Where the path has an id, that one counts.
    #[serde(default)]
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `team/app`, `team/*`, `*`, with `object:`, `repository:` or `system:` before it.
    pub resource: String,
    /// `read`, `list`, `create`, `update`, `delete`, `admin`; `write` is create and update, `*` all.
    #[schema(min_items = 1)]
    pub actions: Vec<String>,
    /// Whether it allows or denies.
    #[serde(default)]
    pub effect: Effect,
    /// Whom it is about; empty: everybody who says who they are.
    #[serde(default)]
    pub principals: Vec<String>,
    /// When it applies; all must hold.
    #[serde(default, deserialize_with = "each_once")]
    pub conditions: BTreeMap<String, String>,
    /// Set by the server; accepted so that what was read may be sent back, and ignored.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub created_at: Ignored,
    /// As `createdAt`.
    #[serde(default, skip_serializing_if = "Ignored::is_ignored")]
    #[schema(value_type = Option<String>)]
    pub updated_at: Ignored,
}

/// Conditions, each once: the first of two would be silently gone, and with it what it kept out.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Conditions;
    impl<'de> Visitor<'de> for Conditions {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some(name) = entries.next_key::<String>()? {
                if all.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("{name} is there twice; separate values by commas")));
                }
                all.insert(name, entries.next_value()?);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_map(Conditions)
}

/// A policy.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Unique.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A pattern, such as `team/*`.
    pub resource: String,
    /// Such as `read`; `write` is create and update, `*` all.
    pub actions: Vec<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whom it is about; empty: everybody who says who they are.
    pub principals: Vec<String>,
    /// When it applies; all must hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub conditions: BTreeMap<String, String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// All policies.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Policies {
    /// By their ids.
    pub policies: Vec<Policy>,
    /// How many they are.
    pub count: usize,
}

/// What is to be decided. Without a user, roles and groups it is about the caller.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Question, example = json!({"userId": "bob", "roles": ["developer"], "resource": "team/prod", "action": "read"}))]
pub struct ExplainRequest {
    /// A user, an account (`account:ci`), an access key (`key:ID`), or `anonymous`.
    #[serde(default)]
    pub user_id: Option<String>,
    /// As policies call them.
    #[serde(default)]
    pub roles: Vec<String>,
    /// As policies call them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `team/app`, `object:team/key`, `repository:team/app`, `system:audit`.
    pub resource: String,
    /// `read`, `list`, `create`, `update`, `delete` or `admin`; `write` is create and update.
    pub action: String,
}

/// A decision, and why.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision, example = json!({"allowed": false, "reason": "denied by policy", "policyId": "no-prod"}))]
pub struct Explanation {
    /// Whether it may be done.
    pub allowed: bool,
    /// For people.
    pub reason: String,
    /// The policy that decided, or whose conditions do not hold, if it was one.
    #[schema(required)]
    pub policy_id: Option<String>,
}

/// What the caller may do.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = Permissions)]
pub struct CurrentPrincipal {
    /// Who the caller is.
    pub subject: String,
    /// As policies call them.
    pub roles: Vec<String>,
    /// As policies call them.
    pub groups: Vec<String>,
    /// By the patterns of policies.
    pub permissions: Vec<Permission>,
}

/// What may, or may not, be done to something.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Permission {
    /// A pattern, as policies have it.
    pub resource: String,
    /// Such as `read`; `write` is create and update, `*` all.
    pub actions: Vec<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whether it depends on the conditions of a policy.
    pub conditional: bool,
}
