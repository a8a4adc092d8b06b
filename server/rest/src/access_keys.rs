//! `/rbac/access-keys`: access keys of accounts and of people; and tokens revoked.

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
/// Those who administer accounts see all, people see their own.
#[utoipa::path(
    get, path = "/rbac/access-keys", operation_id = "listAccessKeys", tag = "accounts",
    params(AccessKeyQuery),
    responses(
        (status = 200, description = "By their ids, without secrets.", body = AccessKeys),
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

/// Makes an access key.
///
/// The answer holds the secret, shown only once.
#[utoipa::path(
    post, path = "/rbac/access-keys", operation_id = "createAccessKey", tag = "accounts",
    request_body = AccessKeyInput,
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
        (status = 404, description = "There is no such key."),
    ),
)]
pub(crate) async fn get(
    State(rest): State<Rest>,
    Path(key): Path<String>,
    Caller(call): Caller,
) -> Result<Json<AccessKey>> {
    Ok(Json(access_key(rest.accounts.key(&call, &key).await?)))
}

/// Changes an access key: switches it off or on, gives it another end or description.
#[utoipa::path(
    patch, path = "/rbac/access-keys/{id}", operation_id = "changeAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = AccessKeyPatch,
    responses(
        (status = 200, description = "The key as it is now.", body = AccessKey),
        (status = 400, description = "It cannot be so; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
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

/// Removes an access key: it is not accepted any more.
#[utoipa::path(
    delete, path = "/rbac/access-keys/{id}", operation_id = "deleteAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
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
/// A new one like it is made, whose secret is shown only once; the old one stays valid for as long as is asked for, and without a
/// body not at all.
#[utoipa::path(
    post, path = "/rbac/access-keys/{id}/rotate", operation_id = "rotateAccessKey", tag = "accounts",
    params(("id" = String, Path, description = "A key's id.")),
    request_body = Option<Rotation>,
    responses(
        (status = 201, description = "The new key with its secret.", body = AccessKey,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The old key cannot stay valid for that long."),
        (status = 403, description = "Needs `admin` on `system:accounts`, or to be the owner."),
        (status = 404, description = "There is no such key."),
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
/// Those of that principal that were issued until now are not accepted any more: here at once, on other replicas within a
/// second. Access keys stay; they are disabled or deleted.
#[utoipa::path(
    post, path = "/rbac/revocations", operation_id = "revokeTokens", tag = "accounts",
    request_body = Revocation,
    responses(
        (status = 204, description = "They are not accepted any more."),
        (status = 400, description = "That is no principal."),
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
        Error::ParameterInvalid(format!("expiresAt: {text:?} is no time such as 2030-01-01T00:00:00Z (RFC 3339)"))
    })?;
    Ok(parsed.as_microsecond())
}
