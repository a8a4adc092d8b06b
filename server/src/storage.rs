//! Opens the configured database and blob storage.

use std::fs::File;

use zot_blobs::{Azure, Backend, BlobStore, Gcs, S3};
use zot_domain::ownership::owned;
use zot_domain::ports::inventory::Inventory as _;
use zot_settings::{DriverName, Settings};
use zot_store::{Dialect, Store};

use crate::data_dir;
use crate::error::{Error, shown_url, sqlite_file};

pub(crate) struct Opened {
    pub store: Store,
    pub blobs: BlobStore,
    pub store_id: String,
    /// What will not work on this storage.
    pub warnings: Vec<String>,
    /// Locked while the server runs: only one server may use an SQLite database.
    lock: Option<File>,
}

/// Migrates the schema and opens database and storage.
pub(crate) async fn open(settings: &Settings) -> Result<Opened, Error> {
    data_dir::prepare(settings)?;
    let store = open_database(settings, true).await?;
    let lock = match store.dialect() {
        Dialect::Sqlite => Some(lock(settings)?),
        Dialect::Postgres => None,
    };
    store.migrate().await.map_err(Error::database(&settings.effective_database_url()))?;
    let info = store.info().await?;
    let blobs = BlobStore::open(&backend(settings), &info.store_id)?;
    let preflight = blobs.preflight().await.map_err(Error::preflight(settings))?;
    let unreachable = |error| {
        let hint = "check storage.storageDriver: endpoint, bucket and keys, and that the bucket exists";
        Error::Store(format!("{}; {hint}", Error::from(error)))
    };
    let known = match blobs.marker().await {
        // without the right to list, storage does not report absence; the right to read was tested
        Err(_) if !preflight.may_list => None,
        found => found.map_err(unreachable)?,
    };
    if known.is_none() && store.has_segments().await? {
        return Err(Error::Refused(format!(
            "the database references blobs, but the blob storage does not belong to this store (no {}/marker): check that the \
             volume is mounted, or the bucket's name. If only the marker was lost, run `zot-artifact-store adopt`",
            info.store_id
        )));
    }
    blobs.ensure_marker(&info.incarnation).await.map_err(unreachable)?;
    store.note_physical_identity().await?;
    if let Err(zot_domain::Error::Denied(why)) = owned(&store, &blobs).await {
        tracing::warn!("{why}; until then nothing is deleted from blob storage");
    }
    Ok(Opened { store, blobs, store_id: info.store_id, warnings: preflight.warnings, lock })
}

/// Opens an existing store beside a running server: creates, migrates and locks nothing.
pub(crate) async fn open_beside(settings: &Settings) -> Result<Opened, Error> {
    let url = settings.effective_database_url();
    let file = sqlite_file(&url);
    let or = match &file {
        Some(_) => "name the store with --config or --set storage.rootDirectory=…",
        None => "pass the server's --config / --set",
    };
    let never = || Error::Refused(format!("no server ran on {} yet; start one with `serve`, or {or}", shown_url(&url)));
    if file.is_some_and(|path| !path.exists()) {
        return Err(never());
    }
    let store = open_database(settings, false).await?;
    match store.check_schema().await {
        Err(error) if error.is_empty() => return Err(never()),
        checked => checked.map_err(Error::database(&url))?,
    }
    let info = store.known_info().await?.ok_or_else(never)?;
    let blobs = BlobStore::open(&backend(settings), &info.store_id)?;
    Ok(Opened { store, blobs, store_id: info.store_id, warnings: Vec::new(), lock: None })
}

/// Opens an existing store while no server uses an SQLite database. Creates and migrates nothing.
pub(crate) async fn open_alone(settings: &Settings) -> Result<Opened, Error> {
    let mut opened = open_beside(settings).await?;
    if opened.store.dialect() == Dialect::Sqlite {
        let running = |_| Error::Refused("a server runs on this database: stop it first".to_owned());
        opened.lock = Some(lock(settings).map_err(running)?);
    }
    Ok(opened)
}

pub(crate) async fn open_database(settings: &Settings, create: bool) -> Result<Store, Error> {
    let secret = settings.effective_database_url();
    let (url, max_connections) = (secret.expose().to_owned(), settings.database.max_connections);
    let opened = Store::open(&zot_store::Options { url, max_connections, create }).await;
    opened.map_err(Error::database(&secret))
}

/// Two servers on one SQLite database would each believe to be its only writer, so a lock file is beside the database.
fn lock(settings: &Settings) -> Result<File, Error> {
    let path = sqlite_file(&settings.effective_database_url()).unwrap_or_default();
    // a link to it is the same database
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let path = format!("{}.lock", path.display());
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.try_lock().map_err(|_| {
        Error::Refused(format!(
            "another server runs on this database (it holds {path}): stop the other server, or set another storage.rootDirectory; \
             for several servers on one store set database.url to a Postgres database"
        ))
    })?;
    Ok(file)
}

pub(crate) fn backend(settings: &Settings) -> Backend {
    let Some(driver) = &settings.storage.storage_driver else {
        return Backend::Local(settings.storage.root_directory.join("blobs"));
    };
    let (endpoint, prefix, skip_verify) = (driver.endpoint_url(), driver.root_directory.clone(), driver.skip_verify);
    // settings without a bucket or container name were refused when they were loaded
    let bucket = driver.bucket.clone().unwrap_or_default();
    match driver.name {
        DriverName::S3 => Backend::S3(S3 {
            bucket,
            region: driver.effective_region().to_owned(),
            endpoint,
            keys: driver.access_key.clone().zip(driver.secret_key.as_ref().map(|secret| secret.expose().to_owned())),
            prefix,
            path_style: driver.path_style(),
            skip_verify,
        }),
        DriverName::Gcs => {
            Backend::Gcs(Gcs { bucket, key_file: driver.keyfile.clone(), endpoint, prefix, skip_verify })
        }
        DriverName::Azure => Backend::Azure(Azure {
            account: driver.account_name.clone().unwrap_or_default(),
            key: driver.account_key.as_ref().map(|key| key.expose().to_owned()),
            container: driver.container.clone().unwrap_or_default(),
            endpoint,
            prefix,
            skip_verify,
        }),
    }
}
