//! `/api/v1/rbac`: policies, decisions explained, and what oneself may do.

use std::collections::BTreeMap;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use zot_domain::access::{Access, Permission, Question};
use zot_domain::identity::RequestId;
use zot_domain::policy::{Action, Policy, Reason};
use zot_domain::ports::access::StoredPolicy;
use zot_domain::{Call, Error, Principal, Result};

use super::error::respond;
use crate::App;
use crate::auth::Caller;

/// A policy as it is sent; times are the store's own, so those that are sent along are not taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    #[serde(flatten)]
    policy: serde_json::Map<String, Value>,
}

/// Of `POST /rbac/authorize`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    resource: String,
    action: String,
}

type Body<T> = std::result::Result<Json<T>, JsonRejection>;

/// `GET /rbac/policies`
pub(crate) async fn list(State(app): State<App>, caller: Extension<Caller>, id: Extension<RequestId>) -> Response {
    answer(&caller, *id, async |call| {
        let found = access(&app)?.policies(&call).await?;
        let policies: Vec<_> = found.iter().map(shown).collect();
        Ok(Json(json!({"policies": policies, "count": policies.len()})).into_response())
    })
    .await
}

/// `POST /rbac/policies`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<Sent>,
) -> Response {
    answer(&caller, *id, async |call| {
        let made = access(&app)?.create_policy(&call, policy(body)?).await?;
        let location = format!("/api/v1/rbac/policies/{}", made.policy.id);
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown(&made))).into_response())
    })
    .await
}

/// `GET /rbac/policies/{id}`
pub(crate) async fn get(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(policy): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| Ok(Json(shown(&access(&app)?.policy(&call, &policy).await?)).into_response()))
        .await
}

/// `PUT /rbac/policies/{id}`
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(name): Path<String>,
    body: Body<Sent>,
) -> Response {
    answer(&caller, *id, async |call| {
        Ok(Json(shown(&access(&app)?.replace_policy(&call, &name, policy(body)?).await?)).into_response())
    })
    .await
}

/// `DELETE /rbac/policies/{id}`
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(policy): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        access(&app)?.delete_policy(&call, &policy).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// `POST /rbac/authorize`: decides as if that user asked, and says why.
pub(crate) async fn authorize(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<Asked>,
) -> Response {
    answer(&caller, *id, async |call| {
        let question = question(&call, read(body)?)?;
        let decision = access(&app)?.explain(&call, &question)?;
        Ok(Json(json!({
            "allowed": decision.allowed, "reason": reason(decision.reason), "policyId": decision.policy,
        }))
        .into_response())
    })
    .await
}

/// `GET /rbac/permissions`: of oneself.
pub(crate) async fn permissions(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
) -> Response {
    answer(&caller, *id, async |call| {
        let found = access(&app)?.permissions(&call)?;
        let permissions: Vec<_> = found.iter().map(permission).collect();
        let of = |kind| call.principal.names_of(kind).collect::<Vec<_>>();
        Ok(Json(json!({
            "subject": call.principal.subject, "roles": of("role"), "groups": of("group"), "permissions": permissions,
        }))
        .into_response())
    })
    .await
}

async fn answer(caller: &Caller, id: RequestId, act: impl AsyncFnOnce(Call) -> Result<Response>) -> Response {
    let done = match caller.call(id) {
        Ok(call) => act(call).await,
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| respond(&error, id))
}

fn access(app: &App) -> Result<&Access> {
    app.access.as_ref().ok_or_else(|| Error::NotImplemented("policies are not kept here".to_owned()))
}

fn read<T>(body: Body<T>) -> Result<T> {
    body.map(|Json(body)| body).map_err(|rejection| Error::ParameterInvalid(rejection.body_text()))
}

fn policy(body: Body<Sent>) -> Result<Policy> {
    let mut sent = read(body)?.policy;
    // what was read may be sent back
    sent.remove("createdAt");
    sent.remove("updatedAt");
    serde_path_to_error::deserialize(Value::Object(sent))
        .map_err(|error| Error::ParameterInvalid(format!("policy, {}: {}", error.path(), error.inner())))
}

fn shown(stored: &StoredPolicy) -> Value {
    let time = |micros| jiff::Timestamp::from_microsecond(micros).ok().map(|time| time.to_string());
    let mut value = serde_json::to_value(&stored.policy).unwrap_or_default();
    value["createdAt"] = json!(time(stored.created));
    value["updatedAt"] = json!(time(stored.updated));
    value
}

/// Somebody by name, with the roles and groups that are named; or the caller.
fn question(call: &Call, asked: Asked) -> Result<Question> {
    let action = Action::ALL.into_iter().find(|action| action.as_str() == asked.action);
    let action = action.ok_or_else(|| {
        Error::ParameterInvalid(format!(
            "action: {:?} is none of read, list, create, update, delete, admin",
            asked.action
        ))
    })?;
    let principal = match &asked.user_id {
        None if asked.roles.is_empty() && asked.groups.is_empty() => call.principal.clone(),
        Some(anonymous) if anonymous == "anonymous" => Principal::anonymous(),
        whom => {
            let user = whom.as_deref().unwrap_or("somebody");
            let subject = if user.contains(':') { user.to_owned() } else { format!("user:{user}") };
            let of =
                |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind}:{name}")).collect::<Vec<_>>();
            let names = [vec![subject.clone()], of("role", &asked.roles), of("group", &asked.groups)].concat();
            Principal::known(&subject, names, BTreeMap::new())
        }
    };
    Ok(Question { principal, action, resource: asked.resource })
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Off => "access control is off",
        Reason::BreakGlass => "the break-glass key may do everything",
        Reason::Allowed => "a policy allows it",
        Reason::Denied => "denied by policy",
        Reason::NoMatch => "no policy allows it",
        Reason::ReadOnly => "the store is read-only",
        Reason::OutOfScope => "the token's scope does not cover it",
    }
}

fn permission(it: &Permission) -> Value {
    let actions: Vec<_> = it.actions.iter().map(|action| action.as_str()).collect();
    let effect = if it.denied { "deny" } else { "allow" };
    json!({"resource": it.resource, "actions": actions, "effect": effect, "conditional": it.conditional})
}
