//! `auth.*`: how clients authenticate at the store itself. Whose tokens are taken beside its own lives in `rbac.rs`, who may do
//! what in the store's policies.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// `auth`: how clients authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Auth {
    /// The registry token protocol.
    pub bearer: Bearer,
    /// File of the master keys by which secrets in the database, sessions and registry tokens are protected: one a line, the
    /// one in use first, of 32 characters or more, and those of before a rotation behind it. Read again when it changes.
    #[schemars(extend(
        "x-default" = "with SQLite `master-key` in `storage.rootDirectory`, made at the first start; with Postgres derived from the admin's secret"
    ))]
    pub key_file: Option<PathBuf>,
    /// Wrong credentials a minute that one address may present for one access key, and ten times as many for all; 0: any
    /// number. Beyond it the answer is 429. Behind a proxy set `http.trustedProxies` too, as all clients have its address else.
    pub failures_per_minute: u32,
    /// Longest life of temporary credentials for S3, `15m` to `12h`. Whoever loses a group keeps it for as long.
    pub session_max_duration: Span,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            bearer: Bearer::default(),
            key_file: None,
            failures_per_minute: 60,
            session_max_duration: Span(Duration::from_hours(1)),
        }
    }
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
