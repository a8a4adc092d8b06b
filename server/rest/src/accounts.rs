//! `/rbac/accounts`: accounts of programs. Their access keys are in `access_keys.rs`.

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

/// With warnings of names that no policy has. A policy may come later, so that it is no error.
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
        (status = 200, description = "All of them, by their names.", body = Accounts),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
    ),
)]
pub(crate) async fn list(State(rest): State<Rest>, Caller(call): Caller) -> Result<Json<Accounts>> {
    let accounts: Vec<Account> = rest.accounts.accounts(&call).await?.into_iter().map(account).collect();
    Ok(Json(Accounts { count: accounts.len(), accounts }))
}

/// Makes an account.
///
/// It can log in once it has an access key.
#[utoipa::path(
    post, path = "/rbac/accounts", operation_id = "createAccount", tag = "accounts",
    request_body = AccountInput,
    responses(
        (status = 201, description = "The account that was made.", body = Account,
            headers(("Location" = String, description = "Where it is."))),
        (status = 400, description = "The account cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 409, description = "There is one of that name."),
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
        (status = 404, description = "There is no such account."),
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
/// All of it is replaced. Its keys follow at once here, and within a second on other replicas.
#[utoipa::path(
    put, path = "/rbac/accounts/{name}", operation_id = "replaceAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    request_body = AccountInput,
    responses(
        (status = 200, description = "The account as it is now.", body = Account),
        (status = 400, description = "The account cannot be; the message names the field."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "There is no such account."),
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

/// Removes an account, and all its access keys.
#[utoipa::path(
    delete, path = "/rbac/accounts/{name}", operation_id = "deleteAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "There is no such account."),
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
