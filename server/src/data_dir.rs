//! The directory of the embedded database and of local blobs.

use std::fs::{self, File};
use std::io::ErrorKind;

use zot_settings::Settings;

use crate::error::Error;

/// Creates `storage.rootDirectory`. If the store has data there, this also tests that it can create files in it: the
/// database's own error would name neither the directory nor the reason.
pub(crate) fn prepare(settings: &Settings) -> Result<(), Error> {
    let root = &settings.storage.root_directory;
    let refused = |error: std::io::Error| {
        Error::Refused(format!(
            "cannot write to storage.rootDirectory {}: {error}; set storage.rootDirectory or ZOT_DATA_DIR to a directory that \
             this user can write to",
            root.display()
        ))
    };
    fs::create_dir_all(root).map_err(refused)?;
    if settings.database.url.is_none() || settings.storage.storage_driver.is_none() {
        let probe = root.join(format!(".write-test-{}", zot_core::ambient::random_id()));
        match File::create(&probe).and_then(|_| fs::remove_file(&probe)) {
            // the server starts on a full disk: it can be read, and garbage collection frees space
            Err(error) if error.kind() != ErrorKind::StorageFull => return Err(refused(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
