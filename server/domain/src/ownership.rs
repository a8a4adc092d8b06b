//! Whether the blobs in storage belong to this database (rule A4 of `docs/STORE.md`). Checked before anything is
//! deleted or repaired.

use crate::error::{Error, Result};
use crate::ports::inventory::Inventory;
use crate::ports::upkeep::Upkeep;

/// The database's current incarnation, and the next one during a change. Fails unless the blobs belong to it.
///
/// # Errors
/// [`Error::Denied`] with the reason if they are not.
pub async fn owned(upkeep: &dyn Upkeep, inventory: &dyn Inventory) -> Result<(String, Option<String>)> {
    let mut found = false;
    // twice: another process may change the incarnation between the two reads
    for _ in 0..2 {
        let marker = inventory.marker().await?;
        found |= marker.is_some();
        let (current, next) = upkeep.incarnations().await?;
        if marker.is_some()
            && (marker.as_ref() == Some(&current) || marker == next)
            && upkeep.has_recorded_identity().await?
        {
            return Ok((current, next));
        }
    }
    if !found {
        return Err(Error::Denied(
            "the blob storage has no marker of this store: check that the volume is mounted, or the bucket's name. If only the \
             marker was lost, stop all servers and run `zot-artifact-store adopt`"
                .to_owned(),
        ));
    }
    Err(Error::Denied(
        "the blobs belong to another incarnation of this database: it was restored or copied. If no other server uses these \
         blobs, run `zot-artifact-store adopt`"
            .to_owned(),
    ))
}
