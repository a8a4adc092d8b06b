//! Errors of a configuration, found by `load.rs` and `validate.rs`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration cannot be used. The text says what to change and never contains a secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}; check the path on the command line or in ZOT_CONFIG_FILE", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: this is not valid YAML: {message}; correct it there", path.display())]
    Syntax {
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What the parser expected.
        message: String,
    },
    /// Keys or values are wrong: everything that one step of the check found.
    #[error("the configuration is not valid:{}", one_per_line(.0))]
    Invalid(Vec<Problem>),
}

fn one_per_line(problems: &[Problem]) -> String {
    problems.iter().flat_map(|problem| ["\n  - ".to_owned(), problem.to_string()]).collect()
}

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key, such as `http.tls.cert`.
    pub path: String,
    /// The file, variable or flag with the value, if there is one.
    pub origin: Option<String>,
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "`{}` (from {origin}): {}", self.path, self.fault),
            None => write!(f, "`{}`: {}", self.path, self.fault),
        }
    }
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("unknown key; {}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The most similar known key, if any.
        nearest: Option<String>,
    },
    /// A key of zot or of a later version. The message says what to use instead.
    #[error("{0}")]
    Refused(&'static str),
    #[error("is given twice, also as `{alias}`; keep only `{key}`")]
    SpelledTwice {
        alias: String,
        /// The spelling to keep.
        key: String,
    },
    /// `${VAR}` in a value names a variable that is not set.
    #[error("the environment variable {variable} is not set; set it, or write `${{{variable}:-default}}`")]
    Unset { variable: String },
    #[error("is missing; set it: {0}")]
    Missing(String),
    /// The value has the wrong type, is out of range, or contradicts another key.
    #[error("{0}")]
    Wrong(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "remove it, or see docs/reference/configuration.md for the keys there are".to_owned(),
    }
}
