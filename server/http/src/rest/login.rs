//! Where a client finds out how to log in, before it has any credentials.
//!
//! Source: RFC 9728 (OAuth 2.0 Protected Resource Metadata); RFC 8628 (device grant), which the issuers speak.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use zot_domain::call::Origin;
use zot_identity::Kind;

use crate::App;
use crate::oci::error::{base_url, token_realm};

/// How to log in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    /// Whether credentials are needed for anything at all.
    access_control: bool,
    /// Whose tokens are taken.
    issuers: Vec<Issuer>,
    /// Where registry tokens are to be had.
    token_endpoint: String,
    /// Their audience.
    service: String,
    /// Where temporary credentials for S3 are to be had (`AWS_ENDPOINT_URL_STS`), if S3 is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    sts_endpoint: Option<String>,
}

/// An issuer whose tokens are taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the claim that it is compared with")]
pub(crate) struct Issuer {
    name: String,
    /// `oidc` or `kubernetes`.
    kind: String,
    /// Its URL; its endpoints, the device grant's too, are in `/.well-known/openid-configuration` below it.
    issuer: String,
    /// Tokens are for one of these.
    audiences: Vec<String>,
    /// The client by which people log in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

/// Says how to log in.
#[utoipa::path(
    get, path = "/api/v1/auth", operation_id = "getLogin", tag = "tokens", security(()),
    responses((status = 200, description = "Issuers and endpoints.", body = Login)),
)]
pub(crate) async fn get(State(app): State<App>, origin: Option<Extension<Origin>>, headers: HeaderMap) -> Response {
    let origin = origin.map(|Extension(origin)| origin).unwrap_or_default();
    let issuers = app.identity.issuers().map(|it| Issuer {
        name: it.name.clone(),
        kind: match it.kind {
            Kind::Oidc => "oidc".to_owned(),
            Kind::Kubernetes => "kubernetes".to_owned(),
        },
        issuer: it.issuer.clone(),
        audiences: it.audiences.clone(),
        client_id: it.client_id.clone(),
    });
    let base = base_url(&app, &headers, None, origin);
    Json(Login {
        access_control: app.artifacts.authorizer().settings().access_control,
        issuers: issuers.collect(),
        token_endpoint: token_realm(&app, &headers, None, origin),
        service: app.identity.service().to_owned(),
        sts_endpoint: app.mounted.first().map(|(prefix, _)| format!("{base}{prefix}/")),
    })
    .into_response()
}

/// The store as a protected resource.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProtectedResource {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: Vec<String>,
    resource_name: String,
}

/// Describes the store to OAuth clients (RFC 9728).
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", operation_id = "getProtectedResource", tag = "tokens", security(()),
    responses((status = 200, description = "Issuers whose tokens are taken.", body = ProtectedResource)),
)]
pub(crate) async fn protected_resource(
    State(app): State<App>,
    origin: Option<Extension<Origin>>,
    headers: HeaderMap,
) -> Response {
    let origin = origin.map(|Extension(origin)| origin).unwrap_or_default();
    Json(ProtectedResource {
        resource: base_url(&app, &headers, None, origin),
        authorization_servers: app.identity.issuers().map(|it| it.issuer.clone()).collect(),
        bearer_methods_supported: vec!["header".to_owned()],
        resource_name: "Zot Artifact Store".to_owned(),
    })
    .into_response()
}
