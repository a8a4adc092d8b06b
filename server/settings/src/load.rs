//! From a file, the environment and flags to checked [`Settings`].
//!
//! Each source is a *layer*: a tree of keys and its origin. A layer is expanded (`${VAR}`), put into the canonical
//! spelling, checked against the table of keys and converted to the types of the keys. The layers are then merged (flag
//! over environment over file), decoded, and validated as a whole. The keys are in the files of the sections, the rules
//! between them in `validate.rs`.

pub(crate) mod alias;
pub(crate) mod check;
mod driver;
mod environment;
mod expand;
pub(crate) mod file;
mod layer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::{ConfigError, Fault, Problem, Settings, keys, validate};
pub(crate) use layer::Layer;

/// The sources of a configuration.
#[derive(Clone, Default)]
pub struct Sources {
    /// None: the file that `ZOT_CONFIG_FILE` names, if any.
    pub file: Option<PathBuf>,
    /// The environment, by variable.
    pub env: BTreeMap<String, String>,
    /// Dotted path of the key, and value; a later one wins.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The environment of this process, with the file and flags of its command line. Variables that are not UTF-8
    /// are left out.
    pub fn from_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, env: std::env::vars_os().filter_map(text).collect(), flags }
    }
}

/// A configuration that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub settings: Settings,
    /// What is allowed but likely a mistake, one sentence each, for the log.
    pub warnings: Vec<String>,
}

/// Reads, merges and checks a configuration. Flags win over the environment, then the file, then defaults.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    if let Some(mut layer) = file::read(sources)? {
        expand::layer(&mut layer, &sources.env, &mut problems);
        layers.push(layer);
    }
    layers.extend(environment::layers(&sources.env, &mut problems));
    for (path, value) in &sources.flags {
        if path.is_empty() {
            let fault = Fault::Wrong("expected KEY=VALUE, such as http.port=9090".to_owned());
            problems.push(Problem { path: "--set".to_owned(), origin: None, fault });
        } else {
            layers.push(Layer::single(format!("--set {path}"), path, value));
        }
    }
    for layer in &mut layers {
        alias::rewrite(layer, &mut problems);
        check::layer(layer, &mut problems);
    }
    none_of(problems)?;

    environment::add_fallbacks(&sources.env, &mut layers);
    let settings = checked(&layers, layer::overlay(&layers))?;
    let mut warnings = environment::warnings(&sources.env);
    warnings.extend(validate::warnings(&settings));
    Ok(Loaded { settings, warnings })
}

/// Decodes the merged tree and checks the rules that span keys.
pub(crate) fn checked(layers: &[Layer], tree: Value) -> Result<Settings, ConfigError> {
    let located = |(path, fault)| layer::problem(layers, path, fault);
    none_of(check::missing(&tree).into_iter().chain(driver::faults(&tree)).map(located).collect())?;
    let settings = decode(tree).map_err(|wrong| ConfigError::Invalid(vec![located(wrong)]))?;
    none_of(validate::faults(&settings).into_iter().map(located).collect())?;
    Ok(settings)
}

fn none_of(problems: Vec<Problem>) -> Result<(), ConfigError> {
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
}

fn decode(tree: Value) -> Result<Settings, (String, Fault)> {
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let path = error.path().to_string();
        let meaning = keys::at(&path).map(keys::description).unwrap_or_default();
        (path, Fault::Wrong(format!("{}; correct it. The key is: {meaning}", plain(&error.inner().to_string()))))
    })
}

/// An error of the decoder, without the words of programmers.
fn plain(error: &str) -> String {
    if let Some(rest) = error.strip_prefix("unknown variant ") {
        return rest.replacen(", expected", " is not accepted here; expected", 1);
    }
    let found = error.strip_prefix("invalid type: ").or_else(|| error.strip_prefix("invalid value: "));
    let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return error.to_owned();
    };
    let expected = match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other => other,
    };
    format!("expected {expected}, got {found}")
}

#[cfg(test)]
mod tests;
