//! What `/api/v1/rbac` takes and gives, field by field.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use zot_core::policy::{self, Decision};
use zot_domain::access;
use zot_domain::ports::access::StoredPolicy;

use crate::rest::time;

/// Whether a policy allows or denies; a denial wins.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    #[default]
    Allow,
    Deny,
}

/// A policy to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "id": "open", "name": "Open to everybody", "resource": "open/*", "actions": ["read", "list"],
    "principals": ["anonymous"],
}))]
pub(crate) struct PolicyInput {
    /// Unique; made if it is left out. Where the path has an id, that one counts.
    #[serde(default)]
    id: String,
    /// For people.
    #[serde(default)]
    name: String,
    /// What it is for.
    description: Option<String>,
    /// `team/app`, `team/*`, `*`, with `object:`, `repository:` or `system:` before it.
    resource: String,
    /// `read`, `list`, `create`, `update`, `delete`, `admin`; `write` is create and update, `*` all.
    #[schema(min_items = 1)]
    actions: Vec<String>,
    #[serde(default)]
    effect: Effect,
    /// Whom it is about; empty: everybody who says who they are.
    #[serde(default)]
    principals: Vec<String>,
    /// When it applies; all must hold.
    #[serde(default, deserialize_with = "each_once")]
    conditions: BTreeMap<String, String>,
    /// The store's own; taken so that what was read may be sent back, and not looked at.
    #[serde(default, rename = "createdAt")]
    #[schema(value_type = Option<String>)]
    _created_at: IgnoredAny,
    /// As `createdAt`.
    #[serde(default, rename = "updatedAt")]
    #[schema(value_type = Option<String>)]
    _updated_at: IgnoredAny,
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
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    resource: String,
    actions: Vec<String>,
    effect: Effect,
    principals: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    conditions: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// All policies.
#[derive(Serialize, ToSchema)]
pub(super) struct Policies {
    policies: Vec<Policy>,
    count: usize,
}

/// What is to be decided. Without a user, roles and groups it is about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Question, example = json!({"userId": "bob", "roles": ["developer"], "resource": "team/prod", "action": "read"}))]
pub(crate) struct Asked {
    /// A user, an account (`account:ci`), an access key (`key:ID`), or `anonymous`.
    #[serde(default)]
    pub(super) user_id: Option<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    /// `team/app`, `object:team/key`, `repository:team/app`, `system:audit`.
    pub(super) resource: String,
    /// `read`, `list`, `create`, `update`, `delete` or `admin`.
    pub(super) action: String,
}

/// A decision, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision, example = json!({"allowed": false, "reason": "denied by policy", "policyId": "no-prod"}))]
pub(super) struct Decided {
    allowed: bool,
    /// For people.
    reason: &'static str,
    /// The policy that decided, or whose conditions do not hold, if it was one.
    #[schema(required)]
    policy_id: Option<String>,
}

/// What oneself may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Permissions)]
pub(super) struct Oneself {
    /// Who that is.
    pub(super) subject: String,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) permissions: Vec<Permission>,
}

/// What may, or may not, be done to something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Permission {
    /// A pattern, as policies have it.
    resource: String,
    actions: Vec<&'static str>,
    effect: Effect,
    /// Whether it depends on the conditions of a policy.
    conditional: bool,
}

impl From<PolicyInput> for policy::Policy {
    fn from(sent: PolicyInput) -> Self {
        let PolicyInput { id, name, description, resource, actions, effect, principals, conditions, .. } = sent;
        let effect = match effect {
            Effect::Allow => policy::Effect::Allow,
            Effect::Deny => policy::Effect::Deny,
        };
        Self { id, name, description, resource, actions, effect, principals, conditions }
    }
}

impl From<StoredPolicy> for Policy {
    fn from(stored: StoredPolicy) -> Self {
        let policy::Policy { id, name, description, resource, actions, effect, principals, conditions } = stored.policy;
        let effect = match effect {
            policy::Effect::Allow => Effect::Allow,
            policy::Effect::Deny => Effect::Deny,
        };
        let (created_at, updated_at) = (time(stored.created), time(stored.updated));
        Self { id, name, description, resource, actions, effect, principals, conditions, created_at, updated_at }
    }
}

impl From<Vec<StoredPolicy>> for Policies {
    fn from(stored: Vec<StoredPolicy>) -> Self {
        Self { count: stored.len(), policies: stored.into_iter().map(Policy::from).collect() }
    }
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        Self { allowed: decision.allowed, reason: decision.reason.as_str(), policy_id: decision.policy }
    }
}

impl From<access::Permission> for Permission {
    fn from(it: access::Permission) -> Self {
        let actions = it.actions.iter().map(|action| action.as_str()).collect();
        let effect = if it.denied { Effect::Deny } else { Effect::Allow };
        Self { resource: it.resource, actions, effect, conditional: it.conditional }
    }
}
