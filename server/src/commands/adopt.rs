//! `adopt`: lets a restored database delete blobs again.

use std::process::ExitCode;

use zot_domain::fsck::{Kind, Scope};
use zot_domain::ports::upkeep::Upkeep as _;
use zot_settings::Loaded;

use super::print;
use super::progress::Line;
use crate::args::program;
use crate::error::Error;
use crate::{storage, wire};

/// `repeated`: the arguments with which the next commands use the same store.
pub(super) async fn run(loaded: Loaded, accept_losses: bool, repeated: &str) -> Result<ExitCode, Error> {
    let (settings, program) = (loaded.settings, program());
    let opened = storage::open_alone(&settings).await?;
    let line = Line::new();
    // only checks that the bytes exist
    let scope = Scope { verify_percent: 0, repair: false, orphan_age: wire::ORPHAN_AGE };
    let report = wire::fsck(&opened).run(scope, &|what, count| line.show(what, count)).await;
    drop(line);
    let report = report?;
    // blobs in quarantine are known and answer as absent
    let lost = report.findings.iter().filter(|it| it.kind.is_damage() && it.kind != Kind::Quarantined).count();
    if lost > 0 && !accept_losses {
        return Err(Error::Refused(format!(
            "{lost} findings of damage: `{program} fsck{repeated}` lists them. If no backup of the blobs can repair them, run \
             `adopt --accept-losses`, and then `fsck --repair`"
        )));
    }
    wire::collector(&settings, &opened, wire::ORPHAN_AGE).adopt().await?;
    print("This database deletes blobs again. Servers on a copy of it delete nothing any more.");
    if lost > 0 {
        print(&format!("{lost} findings of damage were accepted: run `{program} fsck --repair{repeated}` next."));
    }
    for hold in opened.store.holds().await? {
        let id = hold.id;
        print(&format!("The hold {id} pauses deletion: `{program} hold --id {id} --release{repeated}` ends it."));
    }
    Ok(ExitCode::SUCCESS)
}
