//! `/rbac/audit`: the audit trail, in pages for people and as a whole for programs.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use serde_json::Value;
use zot_api::{AuditEntry, AuditPage, AuditQuery};
use zot_domain::audit::Export;
use zot_domain::ports::audit::{Change, Filter, Place};
use zot_domain::{Error, Result};

use crate::extract::{Caller, Query};
use crate::{Rest, error, time};

/// Entries of a page if the request has no limit.
const LIMIT: u32 = 100;

/// A row as the REST API shows it.
pub fn entry(row: Change) -> AuditEntry {
    let denied = row.outcome == "denied";
    let status = match (denied, row.actor.as_str()) {
        (false, _) => 200,
        (true, "anonymous") => 401,
        (true, _) => 403,
    };
    let reason = Some(row.reason).filter(|reason| !reason.is_empty());
    let username = row.actor.split_once(':').map_or(row.actor.as_str(), |(_, name)| name).to_owned();
    AuditEntry {
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
        // the server wrote this JSON; anything else is shown as text
        details: (!row.details.is_empty())
            .then(|| serde_json::from_str(&row.details).unwrap_or(Value::String(row.details))),
        request_id: if row.request.is_empty() { row.id.clone() } else { row.request },
        sealed: row.batch,
        id: row.id,
    }
}
/// Lists the audit trail: who did what, and what was refused.
///
/// The newest entries come first.
#[utoipa::path(
    get, path = "/rbac/audit", operation_id = "listAuditLogs", tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "A page of entries.", body = AuditPage),
        (status = 400, description = "A parameter is invalid or unknown; the message names it."),
        (status = 403, description = "Needs `read` on `system:audit`."),
    ),
)]
pub(crate) async fn list(
    State(rest): State<Rest>,
    Caller(call): Caller,
    Query(query): Query<AuditQuery>,
) -> error::Result<Json<AuditPage>> {
    let wrong = |_| Error::ParameterInvalid("limit: expected a number".to_owned());
    let limit = query.limit.as_deref().map_or(Ok(LIMIT), |limit| limit.parse().map_err(wrong))?;
    let after = query.after.as_deref().map(place).transpose()?;
    let page = rest.audit.page(&call, &filter(query)?, after.as_ref(), limit).await?;
    let logs: Vec<AuditEntry> = page.rows.into_iter().map(entry).collect();
    let next = page.next.map(|(at, id)| URL_SAFE_NO_PAD.encode(format!("{at}:{id}")));
    Ok(Json(AuditPage { count: logs.len(), logs, next }))
}

/// Exports the audit trail: who did what, and what was refused.
///
/// Each line is an entry, the oldest first. If the connection breaks, the export is incomplete.
#[utoipa::path(
    get, path = "/rbac/audit/export", operation_id = "exportAuditLogs", tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "All entries, as JSON lines.", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "A parameter is invalid or unknown; the message names it."),
        (status = 403, description = "Needs `read` on `system:audit`."),
    ),
)]
pub(crate) async fn export(
    State(rest): State<Rest>,
    Caller(call): Caller,
    Query(query): Query<AuditQuery>,
) -> error::Result<Response> {
    if query.limit.is_some() || query.after.is_some() {
        return Err(Error::ParameterInvalid("an export takes neither limit nor after".to_owned()).into());
    }
    let export = rest.audit.export(&call, filter(query)?)?;
    let pages = stream::try_unfold(export, async |mut export: Export| {
        let Some(rows) = export.next().await? else { return Ok(None) };
        Ok::<_, Error>(Some((lines(rows)?, export)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
}

fn filter(asked: AuditQuery) -> Result<Filter> {
    if !["", "allowed", "denied"].contains(&asked.outcome.as_str()) {
        return Err(Error::ParameterInvalid("outcome: expected allowed or denied".to_owned()));
    }
    for (name, text) in [("userId", &asked.user_id), ("resource", &asked.resource), ("action", &asked.action)] {
        // no row has a NUL, and not every database accepts one
        if text.contains('\0') {
            return Err(Error::ParameterInvalid(format!("{name}: it has a NUL")));
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
        Error::ParameterInvalid(format!("{name}: expected an RFC 3339 time such as 2026-01-31T12:00:00Z"))
    })?;
    Ok(time.as_microsecond())
}

/// The cursor of an earlier page.
fn place(text: &str) -> Result<Place> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (at, id) = text.split_once(':').filter(|_| !text.contains('\0'))?;
        Some((at.parse().ok()?, id.to_owned()))
    };
    read().ok_or_else(|| Error::ParameterInvalid("after: expected the value of next from an earlier page".to_owned()))
}

fn lines(rows: Vec<Change>) -> Result<Bytes> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, &entry(row)).map_err(|error| Error::Internal(error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text.into())
}
