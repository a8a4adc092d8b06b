//! `auth.*`: the store's own credentials. `rbac.rs` has the trusted issuers. Policies are in the database.

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
    /// File of the master keys that protect secrets in the database, sessions and registry tokens. One key a line: first the
    /// key in use, of 32 characters or more, then the keys before the last rotations. Read again when it changes.
    #[schemars(extend(
        "x-default" = "with SQLite `master-key` in `storage.rootDirectory`, created at the first start; with Postgres derived from the admin's secret"
    ))]
    pub key_file: Option<PathBuf>,
    /// Most wrong credentials a minute from one address for one access key, and ten times as many for all keys; 0: no limit.
    /// Beyond it the answer is 429. Behind a proxy set `http.trustedProxies` too: else all clients have the proxy's address.
    pub failures_per_minute: u32,
    /// Longest life of temporary credentials for S3, `15m` to `12h`. Within it they keep a group that their owner has lost.
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
