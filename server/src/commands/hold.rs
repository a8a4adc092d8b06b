//! `hold`: all bytes stay while a backup is taken.

use std::process::ExitCode;

use zot_domain::ports::upkeep::Upkeep as _;
use zot_settings::{Loaded, Span};

use super::print;
use crate::error::Error;
use crate::wire;

/// None: the hold ends.
pub(super) async fn run(loaded: Loaded, id: &str, span: Option<Span>) -> Result<ExitCode, Error> {
    let opened = wire::open_beside(&loaded.settings).await?;
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(Error::Refused(format!("--id {id:?}: expected letters, digits, `-`, `_` and `.`")));
    }
    if span.is_some_and(|span| span.0.as_secs() == 0) {
        return Err(Error::Refused("--for must be 1s or more; `--release` ends a hold".to_owned()));
    }
    let secs = span.map_or(0, |span| i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX / 1_000_000));
    opened.store.hold(id, secs).await?;
    print(&match span {
        Some(span) => format!(
            "No bytes are deleted for {span}. Back up the database, then the blobs, then end it: \
             zot-artifact-store hold --id {id} --release"
        ),
        None => format!("The hold {id} has ended."),
    });
    Ok(ExitCode::SUCCESS)
}
