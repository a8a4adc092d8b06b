//! `database.*`: where metadata is kept.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// `database`: where metadata is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Database {
    /// `postgres://user:password@host/name` for production, or `sqlite:PATH` for one replica. Never printed, as it
    /// may have a password.
    #[schemars(extend("x-default" = "`sqlite:<storage.rootDirectory>/metadata.db`"))]
    pub url: Option<Secret>,
    /// Most connections one replica opens, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 10 }
    }
}

impl Database {
    /// The URL of the embedded database in `root`.
    pub(crate) fn embedded_in(root: &Path) -> Secret {
        // the two characters that would end or change the path part of the URL
        let path = root.join("metadata.db").to_string_lossy().replace('%', "%25").replace('?', "%3F");
        Secret::from(format!("sqlite:{path}"))
    }
}
