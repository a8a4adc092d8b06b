//! What can be wrong with a configuration. `load.rs` and `validate.rs` find it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration cannot be used. The text says what to change and never holds a secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; check the path given with --config or ZOT_CONFIG_FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not YAML.
    #[error("{}:{line}:{column}: this is not valid YAML: {message}; correct it there", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What the parser expected.
        message: String,
    },
    /// Keys or values are wrong: all that one step of the check found.
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
    /// The file, variable or flag that gave the value, where one did.
    pub origin: Option<String>,
    /// What is wrong.
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
    /// No such key.
    #[error("unknown key; {}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The known key that is most like it, if one is.
        nearest: Option<String>,
    },
    /// A key of zot or of a later version. The message says what to use instead.
    #[error("{0}")]
    Refused(&'static str),
    /// The key is there under two names.
    #[error("is given twice, also as `{alias}`; keep only `{key}`")]
    SpelledTwice {
        /// The other spelling.
        alias: String,
        /// The spelling to keep.
        key: String,
    },
    /// `${VAR}` in a value names a variable that is not set.
    #[error("the environment variable {variable} is not set; set it, or write `${{{variable}:-default}}`")]
    Unset {
        /// The variable.
        variable: String,
    },
    /// A required key is absent.
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
