//! `audit`: the audit trail copied out, and verified.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use zot_domain::audit::{Chain, Checked};
use zot_domain::fsck::Kind;
use zot_http::AuditEntry;
use zot_settings::Loaded;

use super::fsck::UNSIGNED;
use super::print;
use super::progress::Line;
use crate::args::AuditOrder;
use crate::error::Error;
use crate::journal::Noted;
use crate::wire;

pub(super) async fn run(loaded: Loaded, order: AuditOrder) -> Result<ExitCode, Error> {
    let opened = wire::open_beside(&loaded.settings).await?;
    match order {
        AuditOrder::Export => {
            let mut export = wire::export(&opened);
            while let Some(rows) = export.next().await? {
                for row in rows {
                    let line = serde_json::to_string(&AuditEntry::from(row));
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
            Ok(tell(&checked?, json))
        }
    }
}

async fn verify(chain: &Chain, journal: Option<&Path>, line: &Line) -> Result<Checked, Error> {
    let mut checked = chain.verify(&|what, count| line.tell(what, count)).await?;
    let Some(path) = journal else { return Ok(checked) };
    for text in BufReader::new(File::open(path).map_err(Error::file(path))?).lines() {
        let text = text.map_err(Error::file(path))?;
        // the last line may be torn, or about to be written
        let Ok(Noted { seq, root: Some(root), .. }) = serde_json::from_str(&text) else { continue };
        checked.findings.extend(chain.compare(seq, &root).await?);
    }
    Ok(checked)
}

fn tell(checked: &Checked, as_json: bool) -> ExitCode {
    let findings = &checked.findings;
    if as_json {
        let found: Vec<_> =
            findings.iter().map(|it| json!({"kind": it.kind.as_str(), "subject": it.subject})).collect();
        print(&format!(
            "{:#}",
            json!({"rows": checked.rows, "batches": checked.batches, "batchesDropped": checked.dropped,
                "signatures": checked.signatures,
                "lastBatch": checked.last.as_ref().map(|(seq, _)| seq),
                "lastRoot": checked.last.as_ref().map(|(_, root)| root), "findings": found})
        ));
    } else {
        let unsigned = if checked.signatures { "" } else { UNSIGNED };
        print(&format!("sealed rows  {} in {} batches{unsigned}", checked.rows, checked.batches));
        print(&format!("dropped      {} batches", checked.dropped));
        if let Some((seq, root)) = &checked.last {
            print(&format!("last batch   {seq}, root {root}"));
        }
        for finding in findings {
            print(&format!("{}: {}", finding.kind, finding.subject));
        }
        let kinds: BTreeSet<Kind> = findings.iter().map(|finding| finding.kind).collect();
        kinds.iter().for_each(|kind| print(&format!("{kind}: {}", kind.explanation())));
        print(match kinds.first() {
            None => "Nothing was changed.",
            Some(Kind::AuditSignature) if kinds.len() == 1 => {
                "The audit trail was changed, or its key is not here: what was verified without it is whole."
            }
            Some(_) => "The audit trail was changed.",
        });
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
