//! `adopt`: a restored database takes its blobs over.

use std::process::ExitCode;

use zot_domain::fsck::{Kind, Scope};
use zot_domain::ports::upkeep::Upkeep as _;
use zot_settings::Loaded;

use super::print;
use super::progress::Line;
use crate::error::Error;
use crate::wire;

/// `repeated` is what a command that is told to run next needs, to be about the same store.
pub(super) async fn run(loaded: Loaded, accept_losses: bool, repeated: &str) -> Result<ExitCode, Error> {
    let settings = loaded.settings;
    let opened = wire::open_alone(&settings).await?;
    let line = Line::new();
    // no hashing, no repair: whether the bytes are there
    let scope = Scope { verify_percent: 0, repair: false, orphan_age: wire::ORPHAN_AGE };
    let report = wire::fsck(&opened).run(scope, &|what, count| line.tell(what, count)).await;
    drop(line);
    let report = report?;
    // what was quarantined before is known, and answers as absent
    let lost = report.findings.iter().filter(|it| it.kind.is_damage() && it.kind != Kind::Quarantined).count();
    if lost > 0 && !accept_losses {
        return Err(Error::Refused(format!(
            "{lost} findings of damage: look at them by `zot-artifact-store fsck{repeated}`. If they cannot be mended from a backup of \
             the blobs, take over with --accept-losses and then run `fsck --repair`"
        )));
    }
    wire::collector(&settings, &opened, wire::ORPHAN_AGE).adopt().await?;
    print("The blobs are this database's now. Servers of a copy of it delete nothing any more.");
    if lost > 0 {
        print(&format!(
            "{lost} findings of damage were accepted: run `zot-artifact-store fsck --repair{repeated}` next."
        ));
    }
    for hold in opened.store.holds().await? {
        let id = hold.id;
        print(&format!(
            "The hold {id} stands, and nothing is deleted: `zot-artifact-store hold --id {id} --release{repeated}` ends it."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
