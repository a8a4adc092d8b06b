//! `/rbac/access-keys`: access keys of accounts and people. `/rbac/revocations`: revoking tokens.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use zot_api::{AccessKey, AccessKeyInput, AccessKeyPatch, AccessKeyQuery, AccessKeys, NewExpiry, Revocation, Rotation};
use zot_domain::Error;
use zot_domain::ports::identities::KeyChange;
use zot_identity::{NewKey, ShownKey};

use crate::error::Result;
use crate::extract::{Caller, JsonBody, MaybeJsonBody, Prefix, Query};
use crate::{Rest, time};

fn access_key(key: ShownKey) -> AccessKey {
    AccessKey {
        id: key.id,
        owner: key.owner,
        description: key.description,
        disabled: key.disabled,
        expires_at: key.expires.map(time),
        created_at: time(key.created),
        secret_key: None,
    }
}

fn created(prefix: &Prefix, (key, secret): (ShownKey, String)) -> Response {
    let path = format!("/rbac/access-keys/{}", key.id);
    let mut response = prefix.created(&path, AccessKey { secret_key: Some(secret), ..access_key(key) });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Lists access keys.
///
/// Administrators of accounts see all keys, people see their own.
#[utoipa::path(
    get, path = "/rbac/access-keys", operation_id = "listAccessKeys", tag = "accounts",
    params(AccessKeyQuery),
    responses(
        (status = 200, description = "All keys that the caller may see, sorted by id, without secrets.", body = AccessKeys),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
    ),
)]
pub(crate) async fn list(
    State(rest): State<Rest>,
    Caller(call): Caller,
    Query(query): Query<AccessKeyQuery>,
) -> Result<Json<AccessKeys>> {
    let found = rest.accounts.keys(&call, query.owner.as_deref()).await?;
    let access_keys: Vec<AccessKey> = found.into_iter().map(access_key).collect();
    Ok(Json(AccessKeys { count: access_keys.len(), access_keys }))
}

/// Creates an access key.
///
/// The response has the secret, which is shown only once.
#[utoipa::path(
    post, path = "/rbac/access-keys", operation_id = "createAccessKey", tag = "accounts",
    request_body = AccessKeyInput,
    responses(
        (status = 201, description = "The key with its secret.", body = AccessKey,
            headers(("Location" = String, description = "Path of the new resource."))),
        (status = 400, description = "The key is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "The account does not exist."),
        (status = 409, description = "The person has 20 keys, the maximum."),
    ),
)]
pub(crate) async fn create(
    State(rest): State<Rest>,
    Caller(call): Caller,
    prefix: Prefix,
    JsonBody(input): JsonBody<AccessKeyInput>,
) -> Result<Response> {
    let AccessKeyInput { owner, description, expires_at } = input;
    let expires = expires_at.as_deref().map(moment).transpose()?;
    let made = rest.accounts.create_key(&call, NewKey { owner, description, expires }).await?;
    Ok(created(&prefix, made))
}

/// Gets an access key.
#[utoipa::path(
    get, path = "/rbac/access-keys/{id}", operation_id = "getAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    responses(
        (status = 200, description = "The key, without its secret.", body = AccessKey),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "The key does not exist."),
    ),
)]
pub(crate) async fn get(
    State(rest): State<Rest>,
    Path(key): Path<String>,
    Caller(call): Caller,
) -> Result<Json<AccessKey>> {
    Ok(Json(access_key(rest.accounts.key(&call, &key).await?)))
}

/// Changes an access key: disables or enables it, or changes its expiry or description.
#[utoipa::path(
    patch, path = "/rbac/access-keys/{id}", operation_id = "changeAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = AccessKeyPatch,
    responses(
        (status = 200, description = "The changed key.", body = AccessKey),
        (status = 400, description = "The change is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "The key does not exist."),
    ),
)]
pub(crate) async fn change(
    State(rest): State<Rest>,
    Path(key): Path<String>,
    Caller(call): Caller,
    JsonBody(patch): JsonBody<AccessKeyPatch>,
) -> Result<Json<AccessKey>> {
    let AccessKeyPatch { disabled, description, expires_at } = patch;
    let expires = match expires_at {
        NewExpiry::Unchanged => None,
        NewExpiry::Never => Some(None),
        NewExpiry::At(text) => Some(Some(moment(&text)?)),
    };
    let changed = rest.accounts.change_key(&call, &key, KeyChange { disabled, expires, description }).await?;
    Ok(Json(access_key(changed)))
}

/// Deletes an access key: it is no longer accepted.
#[utoipa::path(
    delete, path = "/rbac/access-keys/{id}", operation_id = "deleteAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "The key does not exist."),
    ),
)]
pub(crate) async fn delete(
    State(rest): State<Rest>,
    Path(key): Path<String>,
    Caller(call): Caller,
) -> Result<StatusCode> {
    rest.accounts.delete_key(&call, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotates an access key.
///
/// This creates a new key with the same owner and rights. Its secret is shown only once. The old key stays valid for the
/// requested time; without a request body it ends at once.
#[utoipa::path(
    post, path = "/rbac/access-keys/{id}/rotate", operation_id = "rotateAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = Option<Rotation>,
    responses(
        (status = 201, description = "The new key with its secret.", body = AccessKey,
            headers(("Location" = String, description = "Path of the new resource."))),
        (status = 400, description = "The old key cannot stay valid for that long."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "The key does not exist."),
        (status = 409, description = "The key is disabled, or its owner has 20 keys."),
    ),
)]
pub(crate) async fn rotate(
    State(rest): State<Rest>,
    Path(key): Path<String>,
    Caller(call): Caller,
    prefix: Prefix,
    MaybeJsonBody(rotation): MaybeJsonBody<Rotation>,
) -> Result<Response> {
    let made = rest.accounts.rotate_key(&call, &key, rotation.grace_seconds).await?;
    Ok(created(&prefix, made))
}

/// Revokes tokens and sessions.
///
/// All tokens and sessions that were issued to the principal until now are refused: on this replica at once, on others
/// within a second. Access keys stay valid; disable or delete them instead.
#[utoipa::path(
    post, path = "/rbac/revocations", operation_id = "revokeTokens", tag = "accounts",
    request_body = Revocation,
    responses(
        (status = 204, description = "Revoked."),
        (status = 400, description = "The principal is invalid."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
    ),
)]
pub(crate) async fn revoke(
    State(rest): State<Rest>,
    Caller(call): Caller,
    JsonBody(revocation): JsonBody<Revocation>,
) -> Result<StatusCode> {
    rest.accounts.revoke(&call, &revocation.principal).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Microseconds since 1970.
fn moment(text: &str) -> zot_domain::Result<i64> {
    let parsed: std::result::Result<jiff::Timestamp, _> = text.parse();
    let parsed = parsed.map_err(|_| {
        Error::ParameterInvalid(format!("expiresAt: {text:?} is not an RFC 3339 time such as 2030-01-01T00:00:00Z"))
    })?;
    Ok(parsed.as_microsecond())
}
