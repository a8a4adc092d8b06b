//! `/rbac/accounts`: accounts of programs. The routes of their access keys are in `access_keys.rs`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use zot_api::{Account, AccountInput, Accounts};
use zot_domain::ports::identities;

use crate::error::Result;
use crate::extract::{Caller, JsonBody, Prefix};
use crate::{Rest, time};

fn account(it: identities::Account) -> Account {
    Account {
        principal: format!("account:{}", it.name),
        name: it.name,
        description: it.description,
        roles: it.roles,
        groups: it.groups,
        disabled: it.disabled,
        created_at: time(it.created),
        updated_at: time(it.updated),
        warnings: Vec::new(),
    }
}

fn named(name: String, input: AccountInput) -> identities::Account {
    let AccountInput { description, roles, groups, disabled, .. } = input;
    identities::Account { name, description, roles, groups, disabled, ..identities::Account::default() }
}

/// Adds warnings about roles and groups that no policy names. They are not errors, since a policy may come later.
fn with_warnings(rest: &Rest, it: identities::Account) -> Account {
    let of = |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind}:{name}")).collect::<Vec<_>>();
    let unknown = rest.access.unknown_names([of("role", &it.roles), of("group", &it.groups)].concat());
    let warnings = unknown.iter().map(|name| format!("no policy names {name}: it gives no rights")).collect();
    Account { warnings, ..account(it) }
}

/// Lists all accounts.
#[utoipa::path(
    get, path = "/rbac/accounts", operation_id = "listAccounts", tag = "accounts",
    responses(
        (status = 200, description = "All accounts, sorted by name.", body = Accounts),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
    ),
)]
pub(crate) async fn list(State(rest): State<Rest>, Caller(call): Caller) -> Result<Json<Accounts>> {
    let accounts: Vec<Account> = rest.accounts.accounts(&call).await?.into_iter().map(account).collect();
    Ok(Json(Accounts { count: accounts.len(), accounts }))
}

/// Creates an account.
///
/// It can log in once it has an access key.
#[utoipa::path(
    post, path = "/rbac/accounts", operation_id = "createAccount", tag = "accounts",
    request_body = AccountInput,
    responses(
        (status = 201, description = "The new account.", body = Account,
            headers(("Location" = String, description = "Path of the new resource."))),
        (status = 400, description = "The account is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 409, description = "An account of that name exists."),
    ),
)]
pub(crate) async fn create(
    State(rest): State<Rest>,
    Caller(call): Caller,
    prefix: Prefix,
    JsonBody(mut input): JsonBody<AccountInput>,
) -> Result<Response> {
    let name = std::mem::take(&mut input.name);
    let made = rest.accounts.create_account(&call, named(name, input)).await?;
    Ok(prefix.created(&format!("/rbac/accounts/{}", made.name), with_warnings(&rest, made)))
}

/// Gets an account.
#[utoipa::path(
    get, path = "/rbac/accounts/{name}", operation_id = "getAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    responses(
        (status = 200, description = "The account.", body = Account),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "The account does not exist."),
    ),
)]
pub(crate) async fn get(
    State(rest): State<Rest>,
    Path(name): Path<String>,
    Caller(call): Caller,
) -> Result<Json<Account>> {
    Ok(Json(account(rest.accounts.account(&call, &name).await?)))
}

/// Changes an account.
///
/// The request replaces the whole account. The change applies to its keys at once here, and on other replicas within a
/// second.
#[utoipa::path(
    put, path = "/rbac/accounts/{name}", operation_id = "replaceAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    request_body = AccountInput,
    responses(
        (status = 200, description = "The changed account.", body = Account),
        (status = 400, description = "The account is invalid; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "The account does not exist."),
    ),
)]
pub(crate) async fn replace(
    State(rest): State<Rest>,
    Path(name): Path<String>,
    Caller(call): Caller,
    JsonBody(input): JsonBody<AccountInput>,
) -> Result<Json<Account>> {
    let changed = rest.accounts.replace_account(&call, named(name, input)).await?;
    Ok(Json(with_warnings(&rest, changed)))
}

/// Deletes an account and all its access keys.
#[utoipa::path(
    delete, path = "/rbac/accounts/{name}", operation_id = "deleteAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "The account does not exist."),
    ),
)]
pub(crate) async fn delete(
    State(rest): State<Rest>,
    Path(name): Path<String>,
    Caller(call): Caller,
) -> Result<StatusCode> {
    rest.accounts.delete_account(&call, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
