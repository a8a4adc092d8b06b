//! `audit`: exports and verifies the audit trail.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use zot_domain::audit::{Chain, Checked};
use zot_domain::fsck::{Finding, Kind};
use zot_settings::Loaded;

use super::fsck::UNSIGNED;
use super::progress::Line;
use super::{DAMAGED, print};
use crate::args::AuditOrder;
use crate::error::Error;
use crate::journal::{self, Account};
use crate::{storage, wire};

/// A server writes a batch to the file within this time.
const WRITTEN: Duration = Duration::from_secs(1);

pub(super) async fn run(loaded: Loaded, order: AuditOrder) -> Result<ExitCode, Error> {
    let opened = storage::open_beside(&loaded.settings).await?;
    match order {
        AuditOrder::Export => {
            let mut export = wire::export(&opened);
            while let Some(rows) = export.next().await? {
                for row in rows {
                    let line = serde_json::to_string(&zot_rest::audit_entry(row));
                    print(&line.map_err(|error| Error::Store(format!("a row cannot be written: {error}")))?);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        AuditOrder::Verify { journal, json } => {
            let chain = wire::chain(&loaded.settings, &opened)?;
            let line = Line::new();
            let checked = verify(&chain, journal.as_deref(), &line).await;
            drop(line);
            let (checked, file) = checked?;
            Ok(show(&checked, file.as_ref(), json))
        }
    }
}

async fn verify(chain: &Chain, journal: Option<&Path>, line: &Line) -> Result<(Checked, Option<Account>), Error> {
    let mut checked = chain.verify(&|what, count| line.show(what, count)).await?;
    let Some(path) = journal else { return Ok((checked, None)) };
    let failed = |error: std::io::Error| {
        Error::Refused(format!("--journal {}: {error}; name a file that log.audit wrote", path.display()))
    };
    let mut file = journal::check(path).map_err(failed)?;
    if file.open.is_some() {
        // a server may be writing the rest
        tokio::time::sleep(WRITTEN).await;
        file = journal::check(path).map_err(failed)?;
    }
    for root in &file.roots {
        checked.findings.extend(chain.compare(root).await?);
    }
    checked.findings.append(&mut file.findings);
    if let Some(open) = file.open {
        let text = format!(
            "the file ends within batch {open}: lines were removed; or a server was killed while it wrote, and completes the batch \
             when it starts"
        );
        checked.findings.push(Finding::new(Kind::AuditMissing, text));
    }
    Ok((checked, Some(file)))
}

fn show(checked: &Checked, file: Option<&Account>, as_json: bool) -> ExitCode {
    let findings = &checked.findings;
    let ends = file.map(|file| (file.roots.first().map(|root| root.seq), file.roots.last().map(|root| root.seq)));
    if as_json {
        let found: Vec<_> =
            findings.iter().map(|it| json!({"kind": it.kind.as_str(), "subject": it.subject})).collect();
        let mut document = json!({
            "rows": checked.rows, "batches": checked.batches, "batchesDropped": checked.dropped,
            "signatures": checked.signatures,
            "lastBatch": checked.last.as_ref().map(|(seq, _)| seq),
            "lastRoot": checked.last.as_ref().map(|(_, root)| root), "findings": found,
        });
        if let Some((first, last)) = ends {
            document["journal"] = json!({"firstBatch": first, "lastBatch": last});
        }
        print(&format!("{document:#}"));
    } else {
        let unsigned = if checked.signatures { "" } else { UNSIGNED };
        print(&format!("rows         {} in {} closed batches{unsigned}", checked.rows, checked.batches));
        print(&format!("dropped      {} old batches", checked.dropped));
        if let Some((seq, root)) = &checked.last {
            print(&format!("last batch   {seq}, root {root}"));
        }
        match ends {
            Some((Some(first), Some(last))) => print(&format!("the file     has batches {first} to {last}")),
            Some(_) => print("the file     has no batch"),
            None => {}
        }
        for finding in findings {
            print(&format!("{}: {}", finding.kind, finding.subject));
        }
        let kinds: BTreeSet<Kind> = findings.iter().map(|finding| finding.kind).collect();
        kinds.iter().for_each(|kind| print(&format!("{kind}: {}", kind.explanation())));
        print(match kinds.first() {
            None => "Nothing was changed.",
            Some(Kind::AuditSignature) if kinds.len() == 1 => {
                "The audit trail was changed, or its key is not available here. What can be verified without the key was not changed."
            }
            Some(_) => "The audit trail was changed.",
        });
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) }
}
