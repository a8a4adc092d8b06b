//! `/api/v1/auth` and `/.well-known/oauth-protected-resource`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to log in.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Whether credentials are needed for anything at all.
    pub access_control: bool,
    /// Whose tokens are accepted.
    pub issuers: Vec<LoginIssuer>,
    /// Where registry tokens are issued.
    pub token_endpoint: String,
    /// Their audience.
    pub service: String,
    /// Where temporary credentials for S3 are issued (`AWS_ENDPOINT_URL_STS`), if S3 is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sts_endpoint: Option<String>,
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Issuer)]
pub struct LoginIssuer {
    /// As the configuration calls it.
    pub name: String,
    /// `oidc` or `kubernetes`.
    pub kind: String,
    /// Its URL; its endpoints, the device grant's too, are in `/.well-known/openid-configuration` below it.
    pub issuer: String,
    /// Tokens are for one of these.
    pub audiences: Vec<String>,
    /// The client by which people log in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// The store as a protected resource (RFC 9728).
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ProtectedResource {
    /// The store's URL.
    pub resource: String,
    /// URLs of the issuers.
    pub authorization_servers: Vec<String>,
    /// How tokens are sent.
    pub bearer_methods_supported: Vec<String>,
    /// For people.
    pub resource_name: String,
}
