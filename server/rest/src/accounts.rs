//! `/api/v1/rbac/accounts`: accounts of programs. Their access keys are in `access_keys.rs`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zot_domain::call::RequestId;
use zot_domain::ports::identities;
use zot_domain::{Error, Result};
use zot_identity::Accounts;

use super::{Body, answer, read, time};
use crate::App;
use crate::auth::Caller;

/// An account to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "ci", "description": "The build pipeline", "roles": ["developer"]}))]
pub(crate) struct AccountInput {
    /// 1 to 63 of a-z, 0-9, `-`, `_` and `.`. Where the path has a name, that one counts.
    #[serde(default)]
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Roles that it has, as policies call them.
    #[serde(default)]
    roles: Vec<String>,
    /// Groups that it is in.
    #[serde(default)]
    groups: Vec<String>,
    /// None of its keys is accepted while it is disabled.
    #[serde(default)]
    disabled: bool,
    /// The store's own; taken so that what was read may be sent back, and not looked at.
    #[serde(default, rename = "principal")]
    #[schema(value_type = Option<String>)]
    _principal: IgnoredAny,
    /// As `principal`.
    #[serde(default, rename = "createdAt")]
    #[schema(value_type = Option<String>)]
    _created_at: IgnoredAny,
    /// As `principal`.
    #[serde(default, rename = "updatedAt")]
    #[schema(value_type = Option<String>)]
    _updated_at: IgnoredAny,
    /// As `principal`.
    #[serde(default, rename = "warnings")]
    #[schema(value_type = Option<Vec<String>>)]
    _warnings: IgnoredAny,
}

/// An account of a program.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    name: String,
    /// What policies and the audit trail call it.
    principal: String,
    description: String,
    roles: Vec<String>,
    groups: Vec<String>,
    disabled: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// What of it may be mistyped, in the answer to the request that made or changed it: names that no policy has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
}

impl From<identities::Account> for Account {
    fn from(it: identities::Account) -> Self {
        Self {
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
}

/// All accounts.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountList {
    accounts: Vec<Account>,
    count: usize,
}

impl AccountInput {
    fn named(self, name: Option<String>) -> identities::Account {
        identities::Account {
            name: name.unwrap_or(self.name),
            description: self.description,
            roles: self.roles,
            groups: self.groups,
            disabled: self.disabled,
            ..identities::Account::default()
        }
    }
}

/// Lists all accounts.
#[utoipa::path(
    get, path = "/api/v1/rbac/accounts", operation_id = "listAccounts", tag = "accounts",
    responses(
        (status = 200, description = "All of them, by their names.", body = AccountList),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
    ),
)]
pub(crate) async fn list(State(app): State<App>, caller: Extension<Caller>, id: Extension<RequestId>) -> Response {
    answer(&caller, *id, async |call| {
        let accounts: Vec<Account> = accounts(&app)?.accounts(&call).await?.into_iter().map(Account::from).collect();
        let count = accounts.len();
        Ok(Json(AccountList { accounts, count }).into_response())
    })
    .await
}

/// Makes an account.
///
/// It can log in once it has an access key.
#[utoipa::path(
    post, path = "/api/v1/rbac/accounts", operation_id = "createAccount", tag = "accounts",
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
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    body: Body<AccountInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let made = accounts(&app)?.create_account(&call, read(body)?.named(None)).await?;
        let location = format!("/api/v1/rbac/accounts/{}", made.name);
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(looked_at(&app, made))).into_response())
    })
    .await
}

/// Gets an account.
#[utoipa::path(
    get, path = "/api/v1/rbac/accounts/{name}", operation_id = "getAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    responses(
        (status = 200, description = "The account.", body = Account),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "There is no such account."),
    ),
)]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(name): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        Ok(Json(Account::from(accounts(&app)?.account(&call, &name).await?)).into_response())
    })
    .await
}

/// Changes an account.
///
/// All of it is replaced. Its keys follow at once here, and within a second on other replicas.
#[utoipa::path(
    put, path = "/api/v1/rbac/accounts/{name}", operation_id = "replaceAccount", tag = "accounts",
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
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(name): Path<String>,
    body: Body<AccountInput>,
) -> Response {
    answer(&caller, *id, async |call| {
        let changed = accounts(&app)?.replace_account(&call, read(body)?.named(Some(name))).await?;
        Ok(Json(looked_at(&app, changed)).into_response())
    })
    .await
}

/// With warnings of what it has in vain. A policy may come later, so that it is no error.
fn looked_at(app: &App, account: identities::Account) -> Account {
    let of = |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind}:{name}")).collect::<Vec<_>>();
    let names = [of("role", &account.roles), of("group", &account.groups)].concat();
    let unknown = app.access.as_ref().map_or_else(Vec::new, |access| access.unknown_names(names));
    let warnings = unknown.iter().map(|name| format!("no policy names {name}: it gives no rights")).collect();
    Account { warnings, ..Account::from(account) }
}

/// Removes an account, and all its access keys.
#[utoipa::path(
    delete, path = "/api/v1/rbac/accounts/{name}", operation_id = "deleteAccount", tag = "accounts",
    params(("name" = String, Path, description = "An account's name.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Needs `admin` on `system:accounts`."),
        (status = 404, description = "There is no such account."),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Extension<Caller>,
    id: Extension<RequestId>,
    Path(name): Path<String>,
) -> Response {
    answer(&caller, *id, async |call| {
        accounts(&app)?.delete_account(&call, &name).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

pub(super) fn accounts(app: &App) -> Result<&Accounts> {
    app.accounts.as_ref().ok_or_else(|| Error::NotImplemented("accounts are not kept here".to_owned()))
}
