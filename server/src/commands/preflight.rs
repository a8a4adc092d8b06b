//! `preflight`: tests database and blob storage before a server starts. It changes no schema and deletes its test
//! objects.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use zot_blobs::{BlobStore, PreflightError};
use zot_settings::{Loaded, Settings};

use super::print;
use crate::error::Error;
use crate::storage as opening;

/// Prefix of the test objects in the bucket. No store has this id.
const STORE: &str = "preflight";

/// Why database or storage cannot be used.
struct Failure {
    reason: &'static str,
    message: String,
}

pub(crate) async fn run(loaded: Loaded, report: Option<&Path>) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    let (database, storage) = tokio::join!(database(&settings), storage(&settings));
    let usable = database.is_ok() && storage.is_ok();
    let text = json!({ "database": shown(database), "storage": shown(storage) }).to_string();
    if let Some(report) = report {
        std::fs::write(report, &text).map_err(Error::file_of_argument("--report", report))?;
    }
    print(&text);
    Ok(if usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(outcome: Result<Vec<String>, Failure>) -> Value {
    match outcome {
        Ok(warnings) => json!({ "ok": true, "warnings": warnings }),
        Err(Failure { reason, message }) => json!({ "ok": false, "reason": reason, "message": message }),
    }
}

async fn database(settings: &Settings) -> Result<Vec<String>, Failure> {
    let failed = |error: Error| {
        let reason = match &error {
            Error::Database { source, .. } if source.is_denied() => "DatabaseAuthFailed",
            Error::Database { source, .. } if source.is_absent() => "DatabaseNotFound",
            _ => "DatabaseUnreachable",
        };
        Failure { reason, message: error.to_string() }
    };
    let store = opening::open_database(settings, true).await.map_err(failed)?;
    store.close().await;
    Ok(Vec::new())
}

async fn storage(settings: &Settings) -> Result<Vec<String>, Failure> {
    let unreachable = |message: String| Failure { reason: "StorageUnreachable", message };
    let blobs = BlobStore::open(&opening::backend(settings), STORE).map_err(|error| unreachable(error.to_string()))?;
    let explained = |error: PreflightError| Error::preflight(settings)(error).to_string();
    match blobs.preflight().await {
        Ok(preflight) => Ok(preflight.warnings),
        Err(error @ PreflightError { denied: true, .. }) => {
            Err(Failure { reason: "StorageAccessDenied", message: explained(error) })
        }
        Err(error @ PreflightError { absent: true, .. }) => {
            Err(Failure { reason: "BucketNotFound", message: explained(error) })
        }
        Err(error) => Err(unreachable(explained(error))),
    }
}
