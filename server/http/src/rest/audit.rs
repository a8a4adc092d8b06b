//! `/api/v1/rbac/audit`: the audit trail, page by page for people and as a whole for programs.

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zot_domain::audit::Export;
use zot_domain::call::RequestId;
use zot_domain::ports::audit::{Change, Filter, Place};
use zot_domain::{AuditLog, Error, Result};

use super::{answer, time};
use crate::App;
use crate::auth::Caller;

/// Entries of a page, unless the client says.
const LIMIT: u32 = 100;

/// What is asked for. An unknown parameter is refused: one that is misspelt would show what was not meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Only of this actor, such as `user:alice`.
    #[param(value_type = Option<String>)]
    user_id: String,
    /// Only on exactly this resource, such as `repository:team/app`.
    #[param(value_type = Option<String>)]
    resource: String,
    /// Only of this action, such as `read` or `manifest.push`.
    #[param(value_type = Option<String>)]
    action: String,
    /// `allowed` or `denied`.
    #[param(value_type = Option<String>)]
    outcome: String,
    /// From then on, RFC 3339.
    #[param(value_type = Option<String>)]
    start_time: String,
    /// Before then, RFC 3339.
    #[param(value_type = Option<String>)]
    end_time: String,
    /// Most entries of a page, 1 to 1000; 100 if it is left out. Not for an export.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
    /// What the page before gave as `next`. Not for an export.
    after: Option<String>,
}

/// Something that somebody did, or wanted to do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLog)]
pub struct Entry {
    /// Its id, unique in the store.
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
    /// The sealed batch that it is in.
    pub sealed: Option<i64>,
}

impl From<Change> for Entry {
    fn from(row: Change) -> Self {
        let denied = row.outcome == "denied";
        let status = match (denied, row.actor.as_str()) {
            (false, _) => 200,
            (true, "anonymous") => 401,
            (true, _) => 403,
        };
        let reason = Some(row.reason).filter(|reason| !reason.is_empty());
        let username = row.actor.split_once(':').map_or(row.actor.as_str(), |(_, name)| name).to_owned();
        Self {
            timestamp: time(row.at),
            user_id: row.actor,
            username,
            action: row.action,
            resource: row.resource,
            method: row.method,
            status,
            ip_address: row.address,
            user_agent: row.user_agent,
            error: reason.clone().filter(|_| denied),
            reason,
            outcome: if denied { "denied" } else { "allowed" }.to_owned(),
            policy_id: Some(row.policy).filter(|policy| !policy.is_empty()),
            // the server's own words; what is no object any more is shown as it is
            details: (!row.details.is_empty())
                .then(|| serde_json::from_str(&row.details).unwrap_or(Value::String(row.details))),
            request_id: if row.request.is_empty() { row.id.clone() } else { row.request },
            sealed: row.batch,
            id: row.id,
        }
    }
}

/// A page of entries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLogs)]
#[expect(clippy::struct_field_names, reason = "the contract's name")]
pub(crate) struct Logs {
    logs: Vec<Entry>,
    /// How many they are.
    count: usize,
    /// What to send as `after` for the next page; null at the end.
    next: Option<String>,
}

type Parameters = std::result::Result<Query<Asked>, QueryRejection>;

/// Lists what was done and what was refused.
///
/// The newest entries come first.
#[utoipa::path(
    get, path = "/api/v1/rbac/audit", operation_id = "listAuditLogs", tag = "audit",
    params(Asked),
    responses(
        (status = 200, description = "A page of entries.", body = Logs),
        (status = 400, description = "A parameter cannot be, or is not known; the message names it."),
        (status = 403, description = "Needs `read` on `system:audit`."),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    asked: Parameters,
) -> Response {
    answer(&caller, *id, async |call| {
        let (filter, limit, after) = read(asked)?;
        let page = audit(&app)?.page(&call, &filter, after.as_ref(), limit).await?;
        let logs: Vec<Entry> = page.rows.into_iter().map(Entry::from).collect();
        let next = page.next.map(|(at, id)| URL_SAFE_NO_PAD.encode(format!("{at}:{id}")));
        Ok(Json(Logs { count: logs.len(), logs, next }).into_response())
    })
    .await
}

/// Exports what was done and what was refused.
///
/// One entry a line, the oldest first. An answer that is cut off was not all.
#[utoipa::path(
    get, path = "/api/v1/rbac/audit/export", operation_id = "exportAuditLogs", tag = "audit",
    params(Asked),
    responses(
        (status = 200, description = "All entries, as JSON lines.", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "A parameter cannot be, or is not known; the message names it."),
        (status = 403, description = "Needs `read` on `system:audit`."),
    ),
)]
pub(crate) async fn export(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    asked: Parameters,
) -> Response {
    answer(&caller, *id, async |call| {
        let asked = asked.map_err(refused)?.0;
        if asked.limit.is_some() || asked.after.is_some() {
            return Err(Error::ParameterInvalid("an export has neither limit nor after".to_owned()));
        }
        let export = audit(&app)?.export(&call, filter(asked)?)?;
        let pages = stream::try_unfold(export, async |mut export: Export| {
            let Some(rows) = export.next().await? else { return Ok(None) };
            Ok::<_, Error>(Some((lines(rows)?, export)))
        });
        Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
    })
    .await
}

fn audit(app: &App) -> Result<&AuditLog> {
    app.audit.as_ref().ok_or_else(|| Error::NotImplemented("the audit trail is not kept here".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn refused(rejection: QueryRejection) -> Error {
    Error::ParameterInvalid(rejection.body_text())
}

fn read(asked: Parameters) -> Result<(Filter, u32, Option<Place>)> {
    let asked = asked.map_err(refused)?.0;
    let wrong = |_| Error::ParameterInvalid("limit: expected a number".to_owned());
    let limit = asked.limit.as_deref().map_or(Ok(LIMIT), |limit| limit.parse().map_err(wrong))?;
    let after = asked.after.as_deref().map(place).transpose()?;
    Ok((filter(asked)?, limit, after))
}

fn filter(asked: Asked) -> Result<Filter> {
    if !["", "allowed", "denied"].contains(&asked.outcome.as_str()) {
        return Err(Error::ParameterInvalid("outcome: expected allowed or denied".to_owned()));
    }
    for (name, text) in [("userId", &asked.user_id), ("resource", &asked.resource), ("action", &asked.action)] {
        // no row has one, and not every database takes it
        if text.contains('\0') {
            return Err(Error::ParameterInvalid(format!("{name}: it holds a NUL")));
        }
    }
    let any = Filter::default();
    Ok(Filter {
        from: micros("startTime", &asked.start_time, any.from)?,
        until: micros("endTime", &asked.end_time, any.until)?,
        actor: asked.user_id,
        resource: asked.resource,
        action: asked.action,
        outcome: asked.outcome,
    })
}

fn micros(name: &str, text: &str, default: i64) -> Result<i64> {
    if text.is_empty() {
        return Ok(default);
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        Error::ParameterInvalid(format!("{name}: expected a time of RFC 3339, such as 2026-01-31T12:00:00Z"))
    })?;
    Ok(time.as_microsecond())
}

/// A cursor as [`list`] gave it.
fn place(text: &str) -> Result<Place> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (at, id) = text.split_once(':').filter(|_| !text.contains('\0'))?;
        Some((at.parse().ok()?, id.to_owned()))
    };
    read().ok_or_else(|| Error::ParameterInvalid("after: expected what an earlier page gave as next".to_owned()))
}

fn lines(rows: Vec<Change>) -> Result<Bytes> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, &Entry::from(row)).map_err(|error| Error::Internal(error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text.into())
}
