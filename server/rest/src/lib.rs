//! The REST API: administration, and everything else that the OCI and S3 APIs do not have. The table of routes also
//! produces `GET /api/v1/openapi.json`, so that the API and its description cannot differ.
//!
//! To add an endpoint:
//!
//! 1. Request and response types in `zot-api`, with `ToSchema`.
//! 2. A handler with `#[utoipa::path]`: method, path as axum has it (`{*key}` takes the rest of a path), `operation_id`,
//!    `tag`, its parameters, its own responses. The first line of its comment becomes the summary, the rest the description.
//!    An error response is a status and a sentence: [`document`] adds the schema, the responses that all operations have
//!    (401, 429, 500, 503) and the request's id. An operation without credentials has `security(())`. The handler takes
//!    its input with the extractors of [`extract`] and returns [`error::Result`].
//! 3. A line in [`contract`], [`own`], or, if it needs no credentials, in [`open`]; handlers of one path share it.
//! 4. `make openapi`, and a row in `tests/tests/it/openapi/table.rs`; tests fail until both are done.

mod access_keys;
mod accounts;
mod artifacts;
mod audit;
mod document;
mod error;
mod extract;
mod login;
mod rbac;
mod roles;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zot_domain::{Access, AuditLog, Buckets, Error};
use zot_gateway::{Dialect, Endpoint, Gateway, METHOD_NOT_ALLOWED, RouteTemplate, Sender, nothing_at};
use zot_identity::{Accounts, Identity};

pub use audit::entry as audit_entry;

use error::Failed;
use extract::Caller;

/// The state that all handlers of the REST API share. Cheap to clone.
#[derive(Clone)]
pub struct Rest {
    /// Policies, roles and decisions.
    pub access: Access,
    /// Accounts and access keys.
    pub accounts: Accounts,
    /// The audit trail.
    pub audit: AuditLog,
    /// Objects as artifacts.
    pub buckets: Buckets,
    /// The trusted issuers.
    pub identity: Arc<Identity>,
    /// URL that issues registry tokens.
    pub token_endpoint: Endpoint,
    /// URL that issues temporary credentials for S3. There is none if S3 is switched off.
    pub sts_endpoint: Option<Endpoint>,
}

/// Paths that the response to an unknown path suggests.
pub const KNOWN_PATHS: &str = "/v2/, /api/v1/openapi.json and /health";
/// The second prefix of the contract's paths.
const ALIAS: &str = "/api/v1";

/// The routes of the REST API. The OpenAPI document also describes `others`.
pub fn router(rest: &Rest, gateway: &Gateway, others: impl IntoIterator<Item = OpenApi>) -> Router {
    let (contract, rbac) = contract().split_for_parts();
    let contract = contract.route("/supplychain/{*path}", any(not_yet));
    let (own, artifacts) = own().split_for_parts();
    let callers = Router::new().nest(ALIAS, contract.clone()).merge(contract).merge(own);
    let callers = ["/api", "/rbac", "/supplychain"].into_iter().fold(callers, |router, prefix| {
        let router = router.route(prefix, any(not_found)).route(&format!("{prefix}/"), any(not_found));
        if prefix == "/supplychain" { router } else { router.route(&format!("{prefix}/{{*path}}"), any(not_found)) }
    });
    let (open, login) = open().split_for_parts();
    let description = document::router([login, rbac, artifacts].into_iter().chain(others));
    let complete = |router: Router<Rest>| {
        let router = router.method_not_allowed_fallback(method_not_allowed).layer(from_fn(error::complete));
        gateway.limited(router.with_state(rest.clone()), RestDialect)
    };
    // clients can ask how to log in even while the database is unavailable
    gateway.authenticated(complete(callers)).merge(complete(open.merge(description)))
}

/// The contract's paths, which [`ALIAS`] serves too.
fn contract() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
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

/// Paths that the contract does not have.
fn own() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(artifacts::get))
}

/// Paths that need no credentials.
fn open() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(login::get)).routes(routes!(login::protected_resource))
}

/// Writes limits and panics as this API's errors.
#[derive(Clone)]
struct RestDialect;

impl Dialect for RestDialect {
    fn refusal(&self, request: &Request) -> impl FnOnce(Error) -> Response + Send + 'static {
        let id = Sender::of(request.extensions()).request_id;
        move |error| error::respond(&error, id)
    }

    fn is_exempt(&self, request: &Request) -> bool {
        request.uri().path().starts_with("/.well-known/")
    }
}

async fn not_yet(State(rest): State<Rest>, Caller(call): Caller) -> Failed {
    if rest.buckets.authorizer().settings().access_control && call.principal.is_anonymous() {
        return Error::Unauthenticated.into();
    }
    Error::NotImplemented("this version has no signatures, SBOMs and attestations".to_owned()).into()
}

/// An unknown path below one of this API's prefixes. Metrics count it like any other unknown path.
async fn not_found(request: Request) -> (Extension<RouteTemplate>, Failed) {
    let why = nothing_at(request.uri().path(), KNOWN_PATHS);
    (Extension(RouteTemplate("other")), Error::NotFound(why).into())
}

async fn method_not_allowed() -> Failed {
    Error::Unsupported(METHOD_NOT_ALLOWED.to_owned()).into()
}

/// A time in RFC 3339, in UTC.
fn time(micros: i64) -> String {
    // all times of the store are within this format's range
    jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string()).unwrap_or_default()
}
