//! Reads the YAML file. `check.rs` checks its keys.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use serde_saphyr::{Error, Options};

use super::Sources;
use super::layer::Layer;
use crate::{ConfigError, Fault, Problem};

/// Names the file if no flag does.
pub(super) const VARIABLE: &str = "ZOT_CONFIG_FILE";

/// The file as a layer. None without a file.
pub(super) fn read(sources: &Sources) -> Result<Option<Layer>, ConfigError> {
    let named = sources.env.get(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    sources.file.clone().or(named).map(|path| open(&path, "with --config or ZOT_CONFIG_FILE")).transpose()
}

/// Reads a file; `given` says where its path comes from.
pub(crate) fn open(path: &Path, given: &'static str) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), given, source })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Layer, ConfigError> {
    let origin = path.display().to_string();
    match serde_saphyr::from_str_with_options(text, options()) {
        Ok(Value::Object(tree)) => Ok(Layer { origin, tree }),
        Ok(Value::Null) => Ok(Layer { origin, tree: Map::new() }),
        Ok(_) => {
            let fault = Fault::Wrong(
                "expected sections such as `http:` at the top of the file; see config/samples/server".into(),
            );
            Err(ConfigError::Invalid(vec![Problem { path: ".".into(), origin: Some(origin), fault }]))
        }
        Err(error) => Err(syntax(&error, path)),
    }
}

/// YAML 1.2: `no` is a string, not false, and `0123` keeps its zero. Error texts must not quote the file, because it
/// may contain secrets.
fn options() -> Options {
    serde_saphyr::options! { strict_booleans: true, leading_zero_numbers_as_strings: true, with_snippet: false }
}

fn syntax(error: &Error, path: &Path) -> ConfigError {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), |location| (location.line(), location.column()));
    let message = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is given twice"),
        other => other.to_string().replace(&format!(" at line {line}, column {column}"), ""),
    };
    ConfigError::Syntax { path: path.to_owned(), line, column, message }
}
