//! `/rbac/audit`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which entries. An unknown parameter is refused: one that is misspelt would show what was not meant.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only of this actor, such as `user:alice`.
    #[param(value_type = Option<String>)]
    pub user_id: String,
    /// Only on exactly this resource, such as `repository:team/app`.
    #[param(value_type = Option<String>)]
    pub resource: String,
    /// Only of this action, such as `read` or `manifest.push`.
    #[param(value_type = Option<String>)]
    pub action: String,
    /// `allowed` or `denied`.
    #[param(value_type = Option<String>)]
    pub outcome: String,
    /// From then on, RFC 3339.
    #[param(value_type = Option<String>)]
    pub start_time: String,
    /// Before then, RFC 3339.
    #[param(value_type = Option<String>)]
    pub end_time: String,
    /// Most entries of a page, 1 to 1000; 100 if it is left out. Not for an export.
    #[param(value_type = Option<i64>)]
    pub limit: Option<String>,
    /// What the page before gave as `next`. Not for an export.
    pub after: Option<String>,
}

/// An action that was allowed or denied.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLog)]
pub struct AuditEntry {
    /// Unique in the store.
    pub id: String,
    /// When, by the database's clock.
    pub timestamp: String,
    /// Who: `key:…`, `user:…`, `serviceaccount:…`, `anonymous`.
    pub user_id: String,
    /// The same without its kind.
    pub username: String,
    /// What: `read`, `list`, `admin`, `authenticate`, a denied `create`, or a write such as `manifest.push`.
    pub action: String,
    /// To what, such as `repository:team/app`.
    pub resource: String,
    /// The method of HTTP.
    pub method: String,
    /// 200 for what was let through; 401 where it takes other credentials, else 403.
    pub status: u16,
    /// The client's address.
    pub ip_address: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it was decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `allowed` or `denied`.
    pub outcome: String,
    /// The policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<String>,
    /// What a write came to: of a pushed manifest its `digest`, of a tag that was moved or deleted `previousDigest`, of
    /// those that were named beside a digest `tags`, each with the digest that it was moved away from, or null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
    /// The id that the client got.
    pub request_id: String,
    /// The closed batch that contains it.
    pub sealed: Option<i64>,
}

/// A page of entries, the newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLogs)]
pub struct AuditPage {
    /// The newest first.
    pub logs: Vec<AuditEntry>,
    /// How many they are.
    pub count: usize,
    /// What to send as `after` for the next page; null at the end.
    pub next: Option<String>,
}
