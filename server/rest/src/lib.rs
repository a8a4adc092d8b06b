//! The REST door: what neither OCI nor S3 has a word for. Its table of routes is also the table of contents of
//! `GET /api/v1/openapi.json`, so that what is served and what is described cannot differ.
//!
//! To add an endpoint:
//!
//! 1. A handler below `rest/` with `#[utoipa::path]`: method, path as axum has it (`{*key}` takes the rest of a path),
//!    `operation_id`, `tag`, what it takes, its own answers. The first line of its comment becomes the summary, the rest
//!    the description. Bodies are structs with `ToSchema`. A refusal is a status and a sentence: [`document`] gives it
//!    the error's schema, and every operation the answers that all have (401, 429, 500, 503) and the request's id. What
//!    needs no credentials says `security(())`.
//! 2. A line in [`table`], or in [`open_table`] if it needs no credentials; handlers of one path share it.
//! 3. A row in `tests/tests/it/openapi/table.rs`; the test says so if it is missing.

pub(crate) mod access_keys;
pub(crate) mod accounts;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod login;
pub(crate) mod rbac;
pub(crate) mod roles;

use std::convert::Infallible;

use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::response::Response;
use axum::{Json, Router};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;
use zot_domain::call::RequestId;
use zot_domain::{Call, Error, Result};

use crate::auth::Caller;
use crate::options::Options;
use crate::{App, auth, health, metrics};

/// The routes whose handlers want to know who asks, for the main port.
pub(crate) fn router() -> Router<App> {
    table().into()
}

/// The routes that answer whoever asks, also where nobody can be authenticated as the database is away.
pub(crate) fn open_router(options: &Options) -> Router<App> {
    open_table(options).into()
}

/// Every route that is described.
fn whole_table(options: &Options) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(document::begun()).merge(open_table(options)).merge(table())
}

/// Routes for callers, and their handlers.
fn table() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // the registry token protocol
        .routes(bounded(auth::token::FORM_MAX, routes!(auth::token::get, auth::token::post)))
        // objects as artifacts
        .routes(routes!(artifacts::get))
        // policies and decisions
        .routes(routes!(rbac::list, rbac::create))
        .routes(routes!(rbac::get, rbac::replace, rbac::delete))
        .routes(routes!(rbac::authorize))
        .routes(routes!(rbac::permissions))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(roles::list, roles::create))
        .routes(routes!(roles::get, roles::replace, roles::delete))
        .routes(routes!(roles::assign))
        .routes(routes!(roles::validate))
        // accounts and access keys
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::get, accounts::replace, accounts::delete))
        .routes(routes!(access_keys::list, access_keys::create))
        .routes(routes!(access_keys::get, access_keys::change, access_keys::delete))
        .routes(routes!(access_keys::rotate))
        .routes(routes!(access_keys::revoke))
}

/// Routes for everybody, and their handlers.
fn open_table(options: &Options) -> OpenApiRouter<App> {
    let mut table = OpenApiRouter::new()
        .routes(routes!(document::serve))
        .routes(routes!(login::get))
        .routes(routes!(login::protected_resource));
    // operations, where the configuration has them
    if let Some(paths) = &options.health {
        table = table
            .routes(at(&paths.health, routes!(health::health)))
            .routes(at(&paths.live, routes!(health::live)))
            .routes(at(&paths.ready, routes!(health::ready)));
    }
    if let Some(path) = &options.metrics_path {
        table = table.routes(at(path, routes!(metrics::scrape)));
    }
    table
}

/// The same for bodies up to so many bytes.
fn bounded(most: usize, (schemas, paths, handlers): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    (schemas, paths, handlers.layer(DefaultBodyLimit::max(most)))
}

/// The same at another path than the handler says.
fn at(path: &str, (schemas, mut paths, handlers): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    paths.paths = paths.paths.into_values().map(|item| (path.to_owned(), item)).collect();
    (schemas, paths, handlers)
}

/// A time as REST has it: RFC 3339, in UTC.
pub(crate) fn time(micros: i64) -> String {
    // the store's own times are all within what can be written
    jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string()).unwrap_or_default()
}

/// A request's body, right or wrong: handlers refuse it in REST's dialect, by [`read`].
pub(crate) struct Body<T>(Result<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self(match Json::<Box<RawValue>>::from_request(request, state).await {
            Ok(Json(document)) => decoded(document.get()),
            Err(rejection) => Err(Error::ParameterInvalid(rejection.body_text())),
        }))
    }
}

/// A request's body that may be left out.
pub(crate) struct MaybeBody<T>(Body<T>);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        Ok(Self(match read {
            Ok(bytes) if bytes.is_empty() => Body(Ok(T::default())),
            Ok(bytes) => Body::from_request(Request::from_parts(parts, bytes.into()), state).await?,
            Err(rejection) => Body(Err(Error::ParameterInvalid(rejection.body_text()))),
        }))
    }
}

impl<T> From<MaybeBody<T>> for Body<T> {
    fn from(MaybeBody(body): MaybeBody<T>) -> Self {
        body
    }
}

fn decoded<T: DeserializeOwned>(document: &str) -> Result<T> {
    // a struct would be read from a list of its fields too
    if !document.trim_start().starts_with('{') {
        return Err(Error::ParameterInvalid("the body must be a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(document);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        Error::ParameterInvalid(format!("{place}{}", error.inner()))
    })
}

/// A request's body; [`Error::ParameterInvalid`] names the field.
pub(crate) fn read<T>(body: Body<T>) -> Result<T> {
    body.0
}

/// What `act` answers to the caller, or why not.
pub(crate) async fn answer(
    caller: &Caller,
    id: RequestId,
    act: impl AsyncFnOnce(Call) -> Result<Response>,
) -> Response {
    let done = match caller.call(id) {
        Ok(call) => act(call).await,
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| error::respond(&error, id))
}
