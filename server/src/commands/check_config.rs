//! `check-config`: checks a configuration and prints it.

use std::process::ExitCode;

use zot_settings::{Loaded, json_schema};

use super::print;
use crate::error::Error;
use crate::options;

/// Prints warnings, and the settings if `shown`. Loaded settings are always valid.
pub(crate) fn run(loaded: &Loaded, shown: bool) -> Result<ExitCode, Error> {
    for warning in loaded.warnings.iter().chain(&options::warnings(&loaded.settings)) {
        eprintln!("Warning: {warning}");
    }
    if shown {
        // secrets are serialized as asterisks
        let text = serde_json::to_string_pretty(&loaded.settings.effective())
            .map_err(|error| Error::Refused(error.to_string()))?;
        print(&text);
    } else {
        print("The configuration is valid.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn schema() -> Result<ExitCode, Error> {
    let text = serde_json::to_string_pretty(&json_schema()).map_err(|error| Error::Refused(error.to_string()))?;
    print(&text);
    Ok(ExitCode::SUCCESS)
}
