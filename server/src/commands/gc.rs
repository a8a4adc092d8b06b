//! `gc`: one garbage collection at full speed, or a forecast of it.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::json;
use zot_domain::gc::Report;
use zot_domain::ports::inventory::SHARDS;
use zot_domain::ports::upkeep::Forecast;
use zot_settings::Loaded;

use super::print;
use super::progress::Line;
use crate::error::Error;
use crate::{storage, wire};

pub(super) struct Options {
    pub dry_run: bool,
    pub orphan_age: Duration,
    pub json: bool,
}

pub(super) async fn run(loaded: Loaded, options: Options) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    let opened = storage::open_beside(&settings).await?;
    let collector = wire::collector(&settings, &opened, options.orphan_age);
    let line = Line::new();
    if options.dry_run {
        line.show("looking", 0);
        let forecast = collector.forecast().await?;
        drop(line);
        show_forecast(&forecast, options.json);
        return Ok(ExitCode::SUCCESS);
    }
    line.show("collecting", 0);
    let report = collector.run(&collector.lease(zot_core::ambient::random_id().to_string()), SHARDS).await?;
    drop(line);
    let busy = || Error::Refused("a server is collecting garbage; try again in two minutes".to_owned());
    let report = report.ok_or_else(busy)?;
    show_report(&report, options.json);
    // bytes that should have been deleted were not
    Ok(if report.withheld.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show_forecast(forecast: &Forecast, as_json: bool) {
    if as_json {
        let text = json!({
            "uploads": forecast.uploads, "later": forecast.later, "memberships": forecast.memberships, "blobs": forecast.blobs,
            "blobBytes": forecast.blob_bytes, "segments": forecast.segments, "segmentBytes": forecast.segment_bytes,
            "waitingSegments": forecast.waiting, "waitingBytes": forecast.waiting_bytes,
        });
        return print(&format!("{text:#}"));
    }
    print(&format!("uploads that expired             {}", forecast.uploads));
    print(&format!("blobs to leave repositories      {}", forecast.memberships));
    print(&format!("blobs that nothing references    {} ({})", forecast.blobs, HumanBytes(forecast.blob_bytes)));
    print(&format!("bytes that may be deleted        {}", HumanBytes(forecast.segment_bytes)));
    print(&format!("bytes that have to wait          {}", HumanBytes(forecast.waiting_bytes)));
    print(&format!("changed recently, checked later  {}", forecast.later));
    print(
        "Nothing was changed. What nothing references is removed after storage.gcDelay, and its bytes storage.gcDeleteDelay later.",
    );
    print("The forecast leaves out orphans: `fsck` and `gc` find them.");
}

fn show_report(report: &Report, as_json: bool) {
    if as_json {
        let text = json!({
            "uploads": report.uploads, "memberships": report.memberships, "blobs": report.blobs,
            "segments": report.segments, "freedBytes": report.freed_bytes, "orphans": report.orphans,
            "stuckSegments": report.stuck.len(), "conflicts": report.conflicts.len(), "withheld": report.withheld,
        });
        return print(&format!("{text:#}"));
    }
    print(&format!("uploads ended                    {}", report.uploads));
    print(&format!("blobs removed from repositories  {}", report.memberships));
    print(&format!("blobs removed                    {}", report.blobs));
    print(&format!("bytes deleted                    {}", HumanBytes(report.freed_bytes)));
    print(&format!("orphans found                    {}", report.orphans));
    if !report.conflicts.is_empty() {
        print(&format!("conflicts, please report them    {}", report.conflicts.len()));
    }
    if !report.stuck.is_empty() {
        print(&format!("files that cannot be deleted     {}, see the log", report.stuck.len()));
    }
    if let Some(why) = &report.withheld {
        print(&format!("No bytes were deleted: {why}"));
    }
}
