//! `log.*`: what is logged, and where to. The audit trail is in the database; a file can get a copy.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// `log`: what is logged, and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Log {
    /// Least severe level that is written: trace, debug, info, warn, error; fatal and panic mean error.
    pub level: Level,
    /// File to append to.
    #[schemars(extend("x-default" = "standard output"))]
    pub output: Option<PathBuf>,
    /// File to append the rows of closed batches of the audit trail to, as JSON lines. Each replica with this key writes all
    /// rows, to a file of its own.
    pub audit: Option<PathBuf>,
    /// How a line is written: `json` for machines, `text` for people.
    pub format: LogFormat,
}

/// Severity of a log line, in zot's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything, to trace one problem.
    Trace,
    /// Details for developers of the server.
    Debug,
    /// What the server does.
    #[default]
    Info,
    /// What may be a problem.
    #[serde(alias = "warning")]
    Warn,
    /// What failed. zot's `fatal` and `panic` mean the same.
    #[serde(alias = "fatal", alias = "panic")]
    Error,
}

impl Level {
    /// The name of the level for `tracing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

// the derived schema leaves the aliases out
impl JsonSchema for Level {
    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];
        json_schema!({ "type": "string", "enum": names })
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// Plain lines, for people.
    Text,
}
