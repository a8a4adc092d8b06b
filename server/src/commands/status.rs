//! `status`: counts what database and storage contain, whether or not a server runs.

use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::json;
use zot_domain::ports::blobs::BlobWrites as _;
use zot_domain::ports::metadata::{Metadata as _, Totals};
use zot_settings::{Loaded, Settings};

use super::print;
use crate::error::{Error, shown_url};
use crate::storage;

struct Report {
    database: String,
    storage: Result<(), String>,
    totals: Totals,
}

pub(crate) async fn run(loaded: Loaded, as_json: bool) -> Result<ExitCode, Error> {
    let report = look(&loaded.settings).await?;
    let storage = report.storage.as_ref().map_or_else(String::clone, |()| "reachable".to_owned());
    let totals = report.totals;
    if as_json {
        let text = json!({
            "version": env!("CARGO_PKG_VERSION"), "database": report.database, "storage": storage,
            "repositories": totals.repositories, "manifests": totals.manifests, "blobs": totals.blobs,
            "bytes": totals.bytes,
        });
        print(&format!("{text:#}"));
    } else {
        print(&format!("version       {}", env!("CARGO_PKG_VERSION")));
        print(&format!("database      {}, reachable", report.database));
        print(&format!("storage       {storage}"));
        print(&format!("repositories  {}", totals.repositories));
        print(&format!("manifests     {}", totals.manifests));
        print(&format!("blobs         {} ({})", totals.blobs, HumanBytes(totals.bytes)));
    }
    Ok(if report.storage.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Only reads, without migration or lock: a server may be running.
async fn look(settings: &Settings) -> Result<Report, Error> {
    let opened = storage::open_beside(settings).await?;
    Ok(Report {
        database: shown_url(&settings.effective_database_url()),
        storage: opened.blobs.probe().await.map_err(|error| Error::from(error).to_string()),
        totals: opened.store.totals().await?,
    })
}
