//! `extensions.rbac.*`: access control and trusted issuers. Policies are in the database.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Span;

/// `extensions.rbac`: access control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rbac {
    /// Authenticate callers and decide each request by policy. If false, everybody may do everything.
    pub enabled: bool,
    /// Let everybody read without credentials.
    pub allow_anonymous_get: bool,
    /// Record reads, denied requests and wrong credentials in the audit trail. Needs access control; writes are always recorded.
    pub audit_logging: bool,
    /// How long rows of the audit trail are kept, in whole batches; `0`: forever.
    pub audit_retention: Span,
    /// Accept tokens of a Keycloak realm.
    pub keycloak: Option<Keycloak>,
    /// Accept tokens of further `OpenID` providers, and of further Kubernetes clusters.
    pub issuers: Vec<TrustedIssuer>,
    /// Accept tokens of the ServiceAccounts of the cluster that the server runs in.
    pub kubernetes: Kubernetes,
}

impl Default for Rbac {
    fn default() -> Self {
        Self {
            enabled: false,
            allow_anonymous_get: false,
            audit_logging: true,
            audit_retention: Span(Duration::from_hours(90 * 24)),
            keycloak: None,
            issuers: Vec::new(),
            kubernetes: Kubernetes::default(),
        }
    }
}

/// `extensions.rbac.keycloak`: a realm whose access tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Keycloak {
    /// URL of Keycloak for clients, as tokens name it: `https://sso.example.com`, with the path `/auth` if there is one. Falls
    /// back to `KEYCLOAK_URL`.
    pub url: String,
    /// The realm. Falls back to `KEYCLOAK_REALM`.
    pub realm: String,
    /// The client of this store: tokens for it are accepted, and its roles count beside the realm's.
    pub client_id: String,
    /// Where the server reaches Keycloak, if that is another URL than `url`.
    pub internal_url: Option<String>,
    /// Audiences of tokens that are accepted.
    #[serde(default)]
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`clientId`"))]
    pub audiences: Vec<String>,
    /// Claim of the user's name, with dots for claims within claims.
    #[schemars(extend("x-default" = "`preferred_username`"))]
    pub username_claim: Option<String>,
    /// Claims of roles; each is a string or a list of strings.
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`realm_access.roles`, and the client's in `resource_access`"))]
    pub roles_claims: Option<Vec<String>>,
    /// Claims of groups.
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`groups`"))]
    pub groups_claims: Option<Vec<String>>,
    /// Certificate authorities of Keycloak's certificate, PEM file, beside those of the system.
    pub cacert: Option<PathBuf>,
}

/// `extensions.rbac.issuers`: a further issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustedIssuer {
    /// The issuer's name in messages, and before the names of its users.
    pub name: String,
    /// The issuer, exactly as its tokens name it (`iss`).
    pub issuer: String,
    /// `oidc` for people and pipelines; `kubernetes` for ServiceAccounts of another cluster.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Audiences of tokens that are accepted.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub audiences: Vec<String>,
    /// The client that people log in with. Programs can ask the store for it.
    pub client_id: Option<String>,
    /// URL of its keys, instead of the one in its discovery document.
    pub jwks_url: Option<String>,
    /// Prefix of its users, roles, groups and ServiceAccounts. `-` means none: then they are the same as those of Keycloak or of
    /// the server's cluster.
    #[schemars(extend("x-default" = "`name` and a colon"))]
    pub prefix: Option<String>,
    /// Claim of the user's name.
    #[schemars(extend("x-default" = "`sub`"))]
    pub username_claim: Option<String>,
    /// Claims of roles.
    #[serde(default)]
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub roles_claims: Vec<String>,
    /// Claims of groups.
    #[serde(default)]
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub groups_claims: Vec<String>,
    /// Certificate authorities of its certificate, PEM file, beside those of the system.
    pub cacert: Option<PathBuf>,
}

/// Who gets an issuer's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// People and pipelines.
    #[default]
    Oidc,
    /// ServiceAccounts.
    Kubernetes,
}

/// `extensions.rbac.kubernetes`: the cluster that the server runs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubernetes {
    /// Accept tokens of the cluster's ServiceAccounts.
    pub enabled: bool,
    /// Audiences of tokens that are accepted: the `audience` of a projected token.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub audiences: Vec<String>,
    /// The issuer, as tokens name it.
    #[schemars(extend("x-default" = "that of the server's own token"))]
    pub issuer: Option<String>,
    /// URL of the API server, which has the issuer's keys.
    pub api_server: String,
    /// Certificate authorities of the API server's certificate, PEM file.
    pub cacert: PathBuf,
    /// The server's own token, which allows it to read the keys.
    pub token_file: PathBuf,
}

impl Default for Kubernetes {
    fn default() -> Self {
        let mounted = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        Self {
            enabled: false,
            audiences: vec!["zot-artifact-store".to_owned()],
            issuer: None,
            api_server: "https://kubernetes.default.svc".to_owned(),
            cacert: mounted.join("ca.crt"),
            token_file: mounted.join("token"),
        }
    }
}
