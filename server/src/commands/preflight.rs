//! `preflight`: tries whether database and blob storage can be used, before any server starts on them. Nothing is migrated,
//! and what was written for a try is taken away again.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use zot_blobs::{BlobStore, PreflightError};
use zot_settings::{Loaded, Settings};

use super::print;
use crate::error::Error;
use crate::wire;

/// Below which name in the bucket it is tried: no store has it.
const STORE: &str = "preflight";

/// What came of one of the two.
struct Found {
    reason: &'static str,
    message: String,
}

pub(crate) async fn run(loaded: Loaded, report: Option<&Path>) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    let (database, storage) = tokio::join!(database(&settings), storage(&settings));
    let well = database.is_ok() && storage.is_ok();
    let text = json!({ "database": told(database), "storage": told(storage) }).to_string();
    if let Some(report) = report {
        std::fs::write(report, &text).map_err(Error::file(report))?;
    }
    print(&text);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(outcome: Result<Vec<String>, Found>) -> Value {
    match outcome {
        Ok(warnings) => json!({ "ok": true, "warnings": warnings }),
        Err(Found { reason, message }) => json!({ "ok": false, "reason": reason, "message": message }),
    }
}

async fn database(settings: &Settings) -> Result<Vec<String>, Found> {
    let failed = |error: Error| {
        let reason = match &error {
            Error::Database(error) if error.is_denied() => "DatabaseAuthFailed",
            Error::Database(error) if error.is_absent() => "DatabaseNotFound",
            _ => "DatabaseUnreachable",
        };
        let message = error.to_string();
        // of the server's own source
        let message = match message.rsplit_once(" at line ") {
            Some((said, line)) if line.parse::<u32>().is_ok() => said.to_owned(),
            _ => message,
        };
        Found { reason, message: format!("{}{message}", at(settings)) }
    };
    let store = wire::open_database(settings, true).await.map_err(failed)?;
    store.close().await;
    Ok(Vec::new())
}

/// Where the database is, if it is a server.
fn at(settings: &Settings) -> String {
    let url = settings.effective_database_url();
    let host = url.expose().strip_prefix("postgres").and_then(|rest| {
        let (_, rest) = rest.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        Some(authority.rsplit('@').next()?.to_owned())
    });
    host.filter(|host| !host.is_empty()).map(|host| format!("{host}: ")).unwrap_or_default()
}

async fn storage(settings: &Settings) -> Result<Vec<String>, Found> {
    let unreachable = |message: String| Found { reason: "StorageUnreachable", message };
    let blobs = BlobStore::open(&wire::backend(settings), STORE).map_err(|error| unreachable(error.to_string()))?;
    match blobs.preflight().await {
        Ok(preflight) => Ok(preflight.warnings),
        Err(error @ PreflightError { denied: true, .. }) => {
            Err(Found { reason: "StorageAccessDenied", message: error.to_string() })
        }
        Err(error @ PreflightError { absent: true, .. }) => {
            Err(Found { reason: "BucketNotFound", message: error.to_string() })
        }
        Err(error) => Err(unreachable(error.to_string())),
    }
}
