//! `hold`: pauses blob deletion during a backup.

use std::process::ExitCode;

use zot_domain::ports::upkeep::{Hold, Upkeep as _};
use zot_settings::{Loaded, Span};
use zot_store::Store;

use super::print;
use crate::args::program;
use crate::error::Error;
use crate::storage;

/// In bytes.
const ID_MAX: usize = 128;

pub(super) enum Order {
    /// Begin a hold of this duration, or extend it.
    Hold {
        id: String,
        span: Span,
        renew: bool,
    },
    /// End the hold with this id.
    Release(String),
    List,
}

/// `repeated`: the arguments with which the next commands use the same store.
pub(super) async fn run(loaded: Loaded, order: Order, repeated: &str) -> Result<ExitCode, Error> {
    let store = storage::open_beside(&loaded.settings).await?.store;
    match order {
        Order::Hold { id, span, renew } => hold(&store, &id, span, renew, repeated).await?,
        Order::Release(id) => release(&store, &id, repeated).await?,
        Order::List => list(&store.holds().await?),
    }
    Ok(ExitCode::SUCCESS)
}

async fn hold(store: &Store, id: &str, span: Span, renew: bool, repeated: &str) -> Result<(), Error> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !id.starts_with(|c: char| c.is_ascii_alphanumeric()) || id.len() > ID_MAX || !id.chars().all(valid) {
        return Err(Error::Refused(format!(
            "--id {id:?}: expected at most {ID_MAX} letters, digits, `-`, `_` and `.`, the first a letter or digit"
        )));
    }
    match store.holds().await?.iter().find(|it| it.id == id) {
        Some(standing) if !renew => {
            return Err(Error::Refused(format!(
                "the hold {id} exists until {}: use another --id for another backup, or --renew to extend this one to {span} from now",
                shown(standing)
            )));
        }
        None if renew => {
            return Err(Error::Refused(format!("there is no hold {id} to extend; leave out --renew to create one")));
        }
        Some(_) | None => {}
    }
    if span.0.as_secs() == 0 {
        return Err(Error::Refused(format!("--for {span}: expected 1s or more; `--release` ends a hold")));
    }
    store.hold(id, i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX / 1_000_000)).await?;
    print(&format!(
        "Blob deletion is paused for {span}; a running batch of garbage collection still completes. Back up the database, then \
         the blobs, then end the hold: {} hold --id {id} --release{repeated}",
        program()
    ));
    Ok(())
}

async fn release(store: &Store, id: &str, repeated: &str) -> Result<(), Error> {
    if store.end_hold(id).await? {
        print(&format!("The hold {id} has ended."));
        return Ok(());
    }
    Err(Error::Refused(format!(
        "there is no hold with the id {id:?}; `{} hold --list{repeated}` prints all",
        program()
    )))
}

fn list(holds: &[Hold]) {
    if holds.is_empty() {
        print("There are no holds.");
    }
    for hold in holds {
        print(&format!("{} until {}", hold.id, shown(hold)));
    }
}

fn shown(hold: &Hold) -> String {
    // a time outside of the calendar
    jiff::Timestamp::from_microsecond(hold.until).map_or_else(|_| "ever".to_owned(), |at| format!("{at:.0}"))
}
