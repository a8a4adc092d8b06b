//! `auth.*`: how clients find the token endpoint. Who may do what lives in `extensions.rs` and in the store's policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `auth`: how clients authenticate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Auth {
    /// The registry token protocol.
    pub bearer: Bearer,
}

/// `auth.bearer`: what the server's Bearer challenges announce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Bearer {
    /// URL of the token endpoint as clients reach it; set it when a proxy stands in front of the server.
    #[schemars(extend("x-default" = "the server's own, from the request's host"))]
    pub realm: Option<String>,
    /// Audience that tokens are issued for.
    pub service: String,
}

impl Default for Bearer {
    fn default() -> Self {
        Self { realm: None, service: "zot-artifact-store".to_owned() }
    }
}
