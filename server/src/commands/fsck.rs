//! `fsck`: checks database and blob storage for consistency, and prints the report.

use std::collections::BTreeMap;
use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::json;
use zot_domain::fsck::{Finding, Kind, Report, Scope};
use zot_settings::Loaded;

use super::progress::Line;
use super::{DAMAGED, print};
use crate::error::Error;
use crate::{storage, wire};

/// Most findings of one kind that are listed; `--json` lists all.
const SHOWN: usize = 20;

/// Added if the master keys are not available.
pub(super) const UNSIGNED: &str = ", signatures not verified: the server's master keys are not available here";

pub(super) async fn run(loaded: Loaded, scope: Scope, as_json: bool) -> Result<ExitCode, Error> {
    let opened = storage::open_beside(&loaded.settings).await?;
    let chain = wire::chain(&loaded.settings, &opened)?;
    let line = Line::new();
    let report = wire::fsck(&opened).with_chain(chain).run(scope, &|what, count| line.show(what, count)).await;
    drop(line);
    let report = report?;
    if as_json {
        print(&format!("{:#}", as_value(&report)));
    } else {
        show(&report);
    }
    Ok(if report.is_damaged() { ExitCode::from(DAMAGED) } else { ExitCode::SUCCESS })
}

fn as_value(report: &Report) -> serde_json::Value {
    let finding = |it: &Finding| {
        json!({"kind": it.kind.as_str(), "subject": it.subject, "damage": it.kind.is_damage(), "repaired": it.repaired,
            "outOfUse": it.out_of_use, "digest": it.digest, "usedBy": it.used_by, "explanation": it.kind.explanation()})
    };
    json!({
        "damaged": report.is_damaged(), "blobs": report.blobs, "verifiedBlobs": report.verified,
        "verifiedBytes": report.verified_bytes, "segments": report.segments, "storedBytes": report.stored_bytes,
        "youngSegments": report.young, "deadSegments": report.dead,
        "auditRows": report.audit_rows, "auditBatchesDropped": report.audit_dropped,
        "auditSignatures": report.audit_signatures,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn show(report: &Report) {
    print(&format!("blobs             {}", report.blobs));
    print(&format!("  read and hashed {} ({})", report.verified, HumanBytes(report.verified_bytes)));
    print(&format!("files in storage  {} ({})", report.segments, HumanBytes(report.stored_bytes)));
    print(&format!("  being uploaded  {}", report.young));
    print(&format!("  to be deleted   {}", report.dead));
    let unsigned = if report.audit_signatures { "" } else { UNSIGNED };
    print(&format!("audit trail       {} rows in closed batches{unsigned}", report.audit_rows));
    let mut kinds: BTreeMap<Kind, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        kinds.entry(finding.kind).or_default().push(finding);
    }
    for (kind, findings) in kinds {
        print(&format!("\n{kind}: {}. {}", findings.len(), kind.explanation()));
        for finding in findings.iter().take(SHOWN) {
            print(&format!("  {}{}", printable(&finding.subject), outcome(finding)));
        }
        if findings.len() > SHOWN {
            print(&format!("  and {} more; --json lists all", findings.len() - SHOWN));
        }
    }
    match (report.is_damaged(), report.out_of_use()) {
        (false, _) => print("\nNothing is damaged."),
        (true, 0) => print("\nThe store is damaged."),
        (true, count) => print(&format!(
            "\nThe store is damaged. {count} of its blobs answer as absent: push the same content again to repair them."
        )),
    }
}

fn outcome(finding: &Finding) -> &'static str {
    match finding {
        Finding { repaired: true, .. } => " (repaired)",
        Finding { out_of_use: true, .. } => " (answers as absent)",
        _ => "",
    }
}

/// Escapes characters that would move the cursor or change the text's direction: clients choose object keys.
fn printable(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::new(), |mut shown, c| {
        if harmful(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_of_keys_are_escaped() {
        assert_eq!(
            printable("a\n\rNothing is damaged.\u{9b}\u{202e}ü"),
            "a\\u{a}\\u{d}Nothing is damaged.\\u{9b}\\u{202e}ü"
        );
    }
}
