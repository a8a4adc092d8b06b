//! How to log in, for clients that have no credentials yet.
//!
//! Source: RFC 9728 (OAuth 2.0 Protected Resource Metadata); RFC 8628 (device grant), which the issuers speak.

use axum::Json;
use axum::extract::{Request, State};
use zot_api::{Login, LoginIssuer, ProtectedResource};
use zot_gateway::{Endpoint, Sender};
use zot_identity::Kind;

use crate::Rest;

/// Describes how to log in.
#[utoipa::path(
    get, path = "/api/v1/auth", operation_id = "getLogin", tag = "tokens", security(()),
    responses((status = 200, description = "Issuers and endpoints.", body = Login)),
)]
pub(crate) async fn get(State(rest): State<Rest>, request: Request) -> Json<Login> {
    let origin = Sender::of(request.extensions()).origin;
    let url = |endpoint: &Endpoint| endpoint.url(request.headers(), request.uri(), origin);
    let issuers = rest.identity.issuers().map(|it| LoginIssuer {
        name: it.name.clone(),
        kind: match it.kind {
            Kind::Oidc => "oidc".to_owned(),
            Kind::Kubernetes => "kubernetes".to_owned(),
        },
        issuer: it.issuer.clone(),
        audiences: it.audiences.clone(),
        client_id: it.client_id.clone(),
    });
    Json(Login {
        access_control: rest.buckets.authorizer().settings().access_control,
        issuers: issuers.collect(),
        token_endpoint: url(&rest.token_endpoint),
        service: rest.identity.service().to_owned(),
        sts_endpoint: rest.sts_endpoint.as_ref().map(url),
    })
}

/// Describes the store to OAuth clients (RFC 9728).
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", operation_id = "getProtectedResource", tag = "tokens", security(()),
    responses((status = 200, description = "Issuers whose tokens are accepted.", body = ProtectedResource)),
)]
pub(crate) async fn protected_resource(State(rest): State<Rest>, request: Request) -> Json<ProtectedResource> {
    let origin = Sender::of(request.extensions()).origin;
    Json(ProtectedResource {
        resource: rest.token_endpoint.base_url(request.headers(), request.uri(), origin),
        authorization_servers: rest.identity.issuers().map(|it| it.issuer.clone()).collect(),
        bearer_methods_supported: vec!["header".to_owned()],
        resource_name: "Zot Artifact Store".to_owned(),
    })
}
