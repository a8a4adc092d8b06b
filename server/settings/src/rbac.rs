//! `extensions.rbac.*`: access control, and whose tokens are taken. What policies say lives in the database.

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
    /// Authenticate callers and decide each request by policy. When false everybody may do everything.
    pub enabled: bool,
    /// Let everybody read without credentials.
    pub allow_anonymous_get: bool,
    /// Record what was read, what was denied and which credentials were wrong in the audit trail. Needs access control;
    /// writes are recorded always.
    pub audit_logging: bool,
    /// How long rows of the audit trail are kept, in whole sealed batches; `0`: for ever.
    pub audit_retention: Span,
    /// Take tokens of a Keycloak realm.
    pub keycloak: Option<Keycloak>,
    /// Take tokens of further `OpenID` providers, and of further Kubernetes clusters.
    pub issuers: Vec<TrustedIssuer>,
    /// Take tokens of ServiceAccounts of the cluster that the server runs in.
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

/// `extensions.rbac.keycloak`: a realm whose access tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Keycloak {
    /// URL of Keycloak as clients reach it, which tokens name: `https://sso.example.com`, with the path `/auth` if it has one.
    /// Falls back to `KEYCLOAK_URL`.
    pub url: String,
    /// The realm. Falls back to `KEYCLOAK_REALM`.
    pub realm: String,
    /// The client that stands for this store: tokens for it are taken, and its roles count beside the realm's.
    pub client_id: String,
    /// Where the server reaches Keycloak, if that is another URL than `url`.
    pub internal_url: Option<String>,
    /// Audiences of tokens that are taken.
    #[serde(default)]
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`clientId`"))]
    pub audiences: Vec<String>,
    /// Claim of the user's name, with dots between a claim and one in it.
    #[schemars(extend("x-default" = "`preferred_username`"))]
    pub username_claim: Option<String>,
    /// Claims of roles: a text or a list of texts each.
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`realm_access.roles`, and the client's in `resource_access`"))]
    pub roles_claims: Option<Vec<String>>,
    /// Claims of groups.
    #[schemars(extend("type" = json!(["array", "string"]), "x-default" = "`groups`"))]
    pub groups_claims: Option<Vec<String>>,
    /// Certificate authorities of Keycloak's certificate, PEM file, beside those of the system.
    pub cacert: Option<PathBuf>,
}

/// `extensions.rbac.issuers`: one further issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustedIssuer {
    /// A name for it, in messages and in front of the names of its users.
    pub name: String,
    /// The issuer as its tokens name it (`iss`), letter by letter.
    pub issuer: String,
    /// `oidc` for people and pipelines; `kubernetes` for ServiceAccounts of another cluster.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Tokens for one of these audiences are taken.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub audiences: Vec<String>,
    /// The client by which people log in there, told to programs that ask the store.
    pub client_id: Option<String>,
    /// Where its keys are, if its discovery document is not to be asked.
    pub jwks_url: Option<String>,
    /// In front of its names of users, roles, groups and ServiceAccounts; `-` is nothing, which makes them the same as those of
    /// Keycloak or of the cluster around the server.
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

/// Whose tokens an issuer's are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// Of people and pipelines.
    #[default]
    Oidc,
    /// Of ServiceAccounts.
    Kubernetes,
}

/// `extensions.rbac.kubernetes`: the cluster that the server runs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubernetes {
    /// Take tokens of the cluster's ServiceAccounts.
    pub enabled: bool,
    /// Tokens for one of these audiences are taken: the `audience` of a projected token.
    #[schemars(extend("type" = json!(["array", "string"])))]
    pub audiences: Vec<String>,
    /// The issuer as tokens name it.
    #[schemars(extend("x-default" = "that of the server's own token"))]
    pub issuer: Option<String>,
    /// URL of the API server, which has the issuer's keys.
    pub api_server: String,
    /// Certificate authorities of the API server's certificate, PEM file.
    pub cacert: PathBuf,
    /// The server's own token, by which the keys may be read.
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
