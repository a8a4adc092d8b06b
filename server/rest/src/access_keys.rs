//! `/api/v1/rbac/access-keys`: access keys of accounts and of people; and tokens revoked.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use zot_domain::call::RequestId;
use zot_domain::ports::identities::KeyChange;
use zot_domain::{Error, Result};
use zot_identity::{NewKey, ShownKey};

use super::accounts::accounts;
use super::{Body, MaybeBody, answer, read, time};
use crate::App;
use crate::auth::Caller;

/// An access key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"owner": "account:ci", "description": "Runner 7", "expiresAt": "2030-01-01T00:00:00Z"}))]
pub(crate) struct KeyInput {
    /// Whose it will be: `account:NAME`, `user:NAME` or `userid:SUB`. Left out: the caller's own.
    owner: Option<String>,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// From when on it is not accepted. Left out: never for an account, in 90 days for a person.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A change of an access key; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"disabled": true}))]
pub(crate) struct KeyPatch {
    /// Whether it is not accepted for now.
    disabled: Option<bool>,
    /// What it is for.
    description: Option<String>,
    /// From when on it is not accepted; `null` is never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Given,
}

/// A time that was sent, a null, or nothing.
#[derive(Default)]
enum Given {
    #[default]
    Nothing,
    Never,
    At(String),
}

/// How a key is rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Rotation {
    /// For how many seconds the old key lives on; up to 30 days.
    #[schema(minimum = 0, maximum = 2_592_000)]
    grace_seconds: i64,
}

/// An access key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessKey {
    /// Its id: the user name of a registry login, the access key of S3.
    id: String,
    owner: String,
    description: String,
    disabled: bool,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Its secret, told once: in the answer to the request that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
}

impl From<ShownKey> for AccessKey {
    fn from(key: ShownKey) -> Self {
        Self {
            id: key.id,
            owner: key.owner,
            description: key.description,
            disabled: key.disabled,
            expires_at: key.expires.map(time),
            created_at: time(key.created),
            secret_key: None,
        }
    }
}

/// Access keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyList {
    access_keys: Vec<AccessKey>,
    count: usize,
}

/// Which access keys.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyQuery {
    /// Those of this owner alone, such as `account:ci`.
    owner: Option<String>,
}

/// Whose tokens count no more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"principal": "user:alice"}))]
pub(crate) struct Revocation {
    /// A user, ServiceAccount, account, group or role.
    principal: String,
}

/// Lists access keys.
///
/// Those who administer accounts see all, people see their own.
#[utoipa::path(
    get, path = "/api/v1/rbac/access-keys", operation_id = "listAccessKeys", tag = "accounts",
    params(KeyQuery),
    responses(
        (status = 200, description = "By their ids, without secrets.", body = KeyList),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Query(query): Query<KeyQuery>,
) -> Response {
    answer(&caller, *id, async |call| {
        let found = accounts(&app)?.keys(&call, query.owner.as_deref()).await?;
        let access_keys: Vec<AccessKey> = found.into_iter().map(AccessKey::from).collect();
        let count = access_keys.len();
        Ok(Json(KeyList { access_keys, count }).into_response())
    })
    .await
}

/// Makes an access key.
///
/// The answer holds the secret, which is told this once.
#[utoipa::path(
    post, path = "/api/v1/rbac/access-keys", operation_id = "createAccessKey", tag = "accounts",
    request_body = KeyInput,
    responses(
        (status = 201, description = "The key with its secret.", body = AccessKey,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The key cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such account."),
        (status = 409, description = "A person has 20 keys at most."),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<KeyInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let KeyInput { owner, description, expires_at } = read(body)?;
        let expires = expires_at.as_deref().map(moment).transpose()?;
        let made = accounts(&app)?.create_key(&call, NewKey { owner, description, expires }).await?;
        Ok(created(made))
    })
    .await
}

/// Gets an access key.
#[utoipa::path(
    get, path = "/api/v1/rbac/access-keys/{id}", operation_id = "getAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    responses(
        (status = 200, description = "The key, without its secret.", body = AccessKey),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
    ),
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(key): Path<String>,
) -> Response {
    answer(
        &caller,
        *id,
        async |call| Ok(Json(AccessKey::from(accounts(&app)?.key(&call, &key).await?)).into_response()),
    )
    .await
}

/// Changes an access key: switches it off or on, gives it another end or description.
#[utoipa::path(
    patch, path = "/api/v1/rbac/access-keys/{id}", operation_id = "changeAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = KeyPatch,
    responses(
        (status = 200, description = "The key as it is now.", body = AccessKey),
        (status = 400, description = "It cannot be so; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(key): Path<String>,
    body: Body<KeyPatch>,
) -> Response {
    answer(&caller, *id, async |call| {
        let KeyPatch { disabled, description, expires_at } = read(body)?;
        let expires = match expires_at {
            Given::Nothing => None,
            Given::Never => Some(None),
            Given::At(text) => Some(Some(moment(&text)?)),
        };
        let changed = accounts(&app)?.change_key(&call, &key, KeyChange { disabled, expires, description }).await?;
        Ok(Json(AccessKey::from(changed)).into_response())
    })
    .await
}

/// Removes an access key: it is not accepted any more.
#[utoipa::path(
    delete, path = "/api/v1/rbac/access-keys/{id}", operation_id = "deleteAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(key): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        accounts(&app)?.delete_key(&call, &key).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Rotates an access key.
///
/// A new one like it is made, whose secret is told this once; the old one lives on for as long as is asked for, and without a
/// body not at all.
#[utoipa::path(
    post, path = "/api/v1/rbac/access-keys/{id}/rotate", operation_id = "rotateAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = Option<Rotation>,
    responses(
        (status = 201, description = "The new key with its secret.", body = AccessKey,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The old key cannot live on for that long."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
        (status = 409, description = "The key is disabled, or its owner has 20 keys."),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(key): Path<String>,
    body: MaybeBody<Rotation>,
) -> Response {
    answer(&caller, *id, async |call| {
        let rotation = read(body.into())?;
        Ok(created(accounts(&app)?.rotate_key(&call, &key, rotation.grace_seconds).await?))
    })
    .await
}

/// Revokes tokens and sessions.
///
/// Those of that principal that were issued until now are not accepted any more: here at once, on other replicas within a
/// second. Access keys stay; they are disabled or deleted.
#[utoipa::path(
    post, path = "/api/v1/rbac/revocations", operation_id = "revokeTokens", tag = "accounts",
    request_body = Revocation,
    responses(
        (status = 204, description = "They count no more."),
        (status = 400, description = "That is no principal."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<Revocation>,
) -> Response {
    answer(&caller, *id, async |call| {
        accounts(&app)?.revoke(&call, &read(body)?.principal).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn created((key, secret): (ShownKey, String)) -> Response {
    let location = format!("/api/v1/rbac/access-keys/{}", key.id);
    let body = AccessKey { secret_key: Some(secret), ..AccessKey::from(key) };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::CREATED, headers, Json(body)).into_response()
}

/// Tells a null from what was left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Given, D::Error> {
    Option::deserialize(deserializer).map(|sent| sent.map_or(Given::Never, Given::At))
}

/// Microseconds since 1970.
fn moment(text: &str) -> Result<i64> {
    let parsed: std::result::Result<jiff::Timestamp, _> = text.parse();
    let parsed = parsed.map_err(|_| {
        Error::ParameterInvalid(format!("expiresAt: {text:?} is no time such as 2030-01-01T00:00:00Z (RFC 3339)"))
    })?;
    Ok(parsed.as_microsecond())
}
