//! Access control.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NAME, rule};

/// Access control.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.enabled || (!has(self.keycloak) && (!has(self.issuers) || size(self.issuers) == 0) && !has(self.adminSecret))", "rbac.enabled is false, so everybody may do everything: set it to true, or remove keycloak, issuers and adminSecret"),
]))]
pub struct Rbac {
    /// Whether access control is on. If it is off, everybody who reaches the store may do everything.
    pub enabled: bool,
    /// The admin's access key, which no policy can deny. By default the operator generates one, in the Secret `NAME-admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_secret: Option<AdminSecret>,
    /// A Keycloak realm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keycloak: Option<Keycloak>,
    /// Authentication of ServiceAccounts of this cluster.
    pub kubernetes: Kubernetes,
    /// Additional token issuers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub issuers: Vec<Issuer>,
    /// Whether anonymous clients may read.
    pub allow_anonymous_get: bool,
    /// Whether reads and denials are recorded in the audit log too.
    pub audit_logging: bool,
    /// How long the audit log is kept, such as `2160h`. `0` means for ever.
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

/// The Secret with the admin's access key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminSecret {
    /// Name of a Secret with the keys `access-key` and `secret-key`, in the store's namespace.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
}

/// Authentication of ServiceAccounts of this cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kubernetes {
    /// Whether their tokens are accepted.
    pub enabled: bool,
    /// Accepted audiences: a token needs one of them.
    pub audiences: Vec<String>,
    /// Issuer of the tokens. The default is the issuer of the servers' own token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { enabled: true, audiences: vec!["zot-artifact-store".to_owned()], issuer: None }
    }
}

/// A Keycloak realm.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.clientSecretRef)", "rbac.keycloak.clientSecretRef is not needed: the servers verify tokens with the realm's public keys; remove it"),
]))]
pub struct Keycloak {
    /// URL of Keycloak as clients reach it and as tokens contain it, such as `https://sso.example.com`.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// Name of the realm.
    #[schemars(regex(pattern = r"^[^/?#\s]+$"))]
    pub realm: String,
    /// Client id of this store.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Not needed, and refused: the servers verify tokens with the realm's public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKey>,
    /// URL of Keycloak as the servers reach it, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_url: Option<String>,
    /// Accepted audiences. The default is the client id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Claim with the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// Claims with roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles_claims: Vec<String>,
    /// Claims with groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups_claims: Vec<String>,
    /// ConfigMap whose `ca.crt` holds the CAs of Keycloak's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub ca_config_map: Option<String>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An additional token issuer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Name of the issuer. It is the prefix of its users' names.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Exact value of the claim `iss` of its tokens.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"))]
    pub issuer: String,
    /// `oidc`: people and pipelines. `kubernetes`: ServiceAccounts of another cluster.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Accepted audiences: a token needs one of them.
    #[schemars(length(min = 1))]
    pub audiences: Vec<String>,
    /// Client id with which people log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// URL of its keys. By default the URL comes from the discovery document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Prefix of its users' names; `-` means none. The default is the issuer's name and a colon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Claim with the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// Claims with roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles_claims: Vec<String>,
    /// Claims with groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups_claims: Vec<String>,
    /// ConfigMap whose `ca.crt` holds the CAs of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub ca_config_map: Option<String>,
}

/// Whom an issuer authenticates.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// People and pipelines.
    #[default]
    Oidc,
    /// ServiceAccounts of another cluster.
    Kubernetes,
}
