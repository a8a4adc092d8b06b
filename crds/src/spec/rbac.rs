//! Who may do what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{NAME, rule};

/// Who may do what.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.enabled || (!has(self.keycloak) && (!has(self.issuers) || size(self.issuers) == 0) && !has(self.adminSecret))", "rbac.enabled is false, so that everybody may do everything: set it to true, or remove keycloak, issuers and adminSecret"),
]))]
pub struct Rbac {
    /// Whether callers must say who they are. Without it everybody who reaches the store may do everything.
    pub enabled: bool,
    /// The administrator's access key, which no policy can deny. By default the operator makes one, in the Secret
    /// `NAME-admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_secret: Option<AdminSecret>,
    /// A realm of Keycloak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keycloak: Option<Keycloak>,
    /// ServiceAccounts of this cluster.
    pub kubernetes: Kubernetes,
    /// Further issuers of tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub issuers: Vec<Issuer>,
    /// Let everybody read.
    pub allow_anonymous_get: bool,
    /// Record reads and denials in the audit trail too.
    pub audit_logging: bool,
    /// How long the audit trail is kept, such as `2160h`; `0`: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_retention: Option<String>,
}

impl Default for Rbac {
    fn default() -> Self {
        Self {
            enabled: true,
            admin_secret: None,
            keycloak: None,
            kubernetes: Kubernetes::default(),
            issuers: Vec::new(),
            allow_anonymous_get: false,
            audit_logging: true,
            audit_retention: None,
        }
    }
}

/// The Secret with the administrator's access key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminSecret {
    /// Its name, in the store's namespace; it has `access-key` and `secret-key`.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
}

/// ServiceAccounts of this cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kubernetes {
    /// Whether their tokens are taken.
    pub enabled: bool,
    /// Tokens for one of these audiences are taken.
    pub audiences: Vec<String>,
    /// The issuer as tokens name it; by default that of the servers' own token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { enabled: true, audiences: vec!["zot-artifact-store".to_owned()], issuer: None }
    }
}

/// A realm of Keycloak.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.clientSecretRef)", "rbac.keycloak.clientSecretRef is not needed: tokens are verified by the realm's public keys; remove it"),
]))]
pub struct Keycloak {
    /// URL of Keycloak as clients reach it, which tokens name: `https://sso.example.com`.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// The realm.
    #[schemars(regex(pattern = r"^[^/?#\s]+$"))]
    pub realm: String,
    /// The client that stands for this store.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Not needed, and refused: tokens are verified by the realm's public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKey>,
    /// Where servers reach Keycloak, if that is another URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_url: Option<String>,
    /// Audiences of tokens that are taken; by default the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Claim of the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// Claims of roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles_claims: Vec<String>,
    /// Claims of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups_claims: Vec<String>,
    /// A ConfigMap with `ca.crt`, authorities of Keycloak's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub ca_config_map: Option<String>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    pub name: String,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A further issuer of tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// A name for it, in front of the names of its users.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The issuer as its tokens name it (`iss`), letter by letter.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"))]
    pub issuer: String,
    /// `oidc` for people and pipelines; `kubernetes` for ServiceAccounts of another cluster.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Tokens for one of these audiences are taken.
    #[schemars(length(min = 1))]
    pub audiences: Vec<String>,
    /// The client by which people log in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where its keys are, if its discovery document is not to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// In front of its names; `-` is nothing. By default the issuer's name and a colon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Claim of the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// Claims of roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles_claims: Vec<String>,
    /// Claims of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups_claims: Vec<String>,
    /// A ConfigMap with `ca.crt`, authorities of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub ca_config_map: Option<String>,
}

/// What an issuer speaks for.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// People and pipelines.
    #[default]
    Oidc,
    /// ServiceAccounts of another cluster.
    Kubernetes,
}
