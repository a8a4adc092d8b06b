//! The only place that knows all parts: from settings to an app over a database, a storage and access keys.

use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use zot_blobs::{Azure, Backend, BlobStore, Gcs, S3};
use zot_core::policy::Settings as PolicySettings;
use zot_domain::audit::{BatchCloser, Chain, Export, Signer};
use zot_domain::authorizer::Authorizer;
use zot_domain::decision_log::{DecisionLog, DecisionQueue};
use zot_domain::fsck::Fsck;
use zot_domain::gc::{Collector, Rules};
use zot_domain::ownership::owned;
use zot_domain::ports::audit::Filter;
use zot_domain::ports::inventory::Inventory as _;
use zot_domain::{Access as AccessControl, Artifacts, AuditLog, Buckets};
use zot_http::metrics::{Metrics, Sample};
use zot_http::{App, Cors, HealthPaths, Mounted, Notes, Options, Version};
use zot_identity::{Accounts, Identity, Setup};
use zot_s3::Door;
use zot_settings::{DriverName, Secret, Settings};
use zot_store::{Dialect, Store};

use crate::audit_key::AuditKeys;
use crate::error::{Error, shown_url};
use crate::{admin, data_dir, issuers, masters};

/// A store whose database and blobs are open.
pub(crate) struct Opened {
    pub store: Store,
    pub blobs: BlobStore,
    pub store_id: String,
    /// What will not work on this storage.
    pub warnings: Vec<String>,
    /// Held while the server runs: SQLite allows one server on a directory.
    lock: Option<File>,
}

/// Opens database and storage, having brought the schema up to date.
pub(crate) async fn open(settings: &Settings) -> Result<Opened, Error> {
    data_dir::prepare(settings)?;
    let store = open_database(settings, true).await?;
    let lock = match store.dialect() {
        Dialect::Sqlite => Some(lock(settings)?),
        Dialect::Postgres => None,
    };
    store.migrate().await?;
    let info = store.info().await?;
    let blobs = BlobStore::open(&backend(settings), &info.store_id)?;
    let preflight = blobs.preflight().await.map_err(Error::preflight(settings))?;
    let unreachable = |error| {
        let hint = "check storage.storageDriver: endpoint, bucket and keys, and that the bucket exists";
        Error::Store(format!("{}; {hint}", Error::from(error)))
    };
    let known = match blobs.marker().await {
        // who may not list is not told either that something is absent; that reading is allowed was seen
        Err(_) if !preflight.may_list => None,
        found => found.map_err(unreachable)?,
    };
    if known.is_none() && store.has_segments().await? {
        return Err(Error::Refused(format!(
            "the database names blobs, but the blob storage does not belong to this store (no {}/marker): is the volume \
             mounted, is it the right bucket? If it is, and only the marker was lost, run `zot-artifact-store adopt`",
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

/// What an upload that is under way may take, before the sweep takes its bytes for forgotten ones.
pub(crate) const ORPHAN_AGE: Duration = Duration::from_hours(48);

/// Garbage collection by the settings.
pub(crate) fn collector(settings: &Settings, opened: &Opened, orphan_age: Duration) -> Collector {
    let storage = &settings.storage;
    let rules = Rules { grace: storage.gc_delay.0, delete_delay: storage.gc_delete_delay.0, orphan_age };
    Collector::new(Arc::new(opened.store.clone()), Arc::new(opened.blobs.clone()), rules)
}

/// A check of database and storage.
pub(crate) fn fsck(opened: &Opened) -> Fsck {
    let (store, blobs) = (opened.store.clone(), opened.blobs.clone());
    Fsck::new(Arc::new(store), Arc::new(blobs.clone()), Arc::new(blobs))
}

/// What signs the audit trail; none where the master keys are not known.
fn audit_keys(settings: &Settings, opened: &Opened) -> Result<Option<Arc<dyn Signer>>, Error> {
    let Some(masters) = masters::Origin::known(settings, opened.store.dialect())? else { return Ok(None) };
    Ok(Some(Arc::new(AuditKeys::derive(&masters.read()?, &opened.store_id)?)))
}

/// Verifies the audit trail.
pub(crate) fn chain(settings: &Settings, opened: &Opened) -> Result<Chain, Error> {
    Ok(Chain::new(Arc::new(opened.store.clone()), audit_keys(settings, opened)?))
}

/// All rows of the audit trail, for whoever stands before the database.
pub(crate) fn export(opened: &Opened) -> Export {
    Export::new(Arc::new(opened.store.clone()), Filter::default())
}

/// Seals the audit trail, and drops what is old.
fn sealer(settings: &Settings, opened: &Opened, masters: &masters::Origin) -> Result<BatchCloser, Error> {
    let signer = Arc::new(AuditKeys::derive(&masters.read()?, &opened.store_id)?);
    let retention = Some(settings.extensions.rbac.audit_retention.0).filter(|span| !span.is_zero());
    let store = opened.store.clone();
    Ok(BatchCloser::new(Arc::new(store.clone()), Arc::new(store), signer, retention))
}

/// Opens what is there, beside a running server: nothing is made, migrated or locked.
pub(crate) async fn open_beside(settings: &Settings) -> Result<Opened, Error> {
    let url = settings.effective_database_url();
    let never = || Error::Refused(format!("no server ran on {} yet; start one with `serve`", shown_url(&url)));
    if sqlite_file(&url).is_some_and(|path| !path.exists()) {
        return Err(never());
    }
    let store = open_database(settings, false).await?;
    store.check_schema().await?;
    let info = store.known_info().await?.ok_or_else(never)?;
    let blobs = BlobStore::open(&backend(settings), &info.store_id)?;
    Ok(Opened { store, blobs, store_id: info.store_id, warnings: Vec::new(), lock: None })
}

/// Opens what is there while no server uses an SQLite database; nothing is made or migrated.
pub(crate) async fn open_alone(settings: &Settings) -> Result<Opened, Error> {
    let mut opened = open_beside(settings).await?;
    if opened.store.dialect() == Dialect::Sqlite {
        let running = |_| Error::Refused("a server runs on this database: stop it first".to_owned());
        opened.lock = Some(lock(settings).map_err(running)?);
    }
    Ok(opened)
}

/// Opens the database alone.
pub(crate) async fn open_database(settings: &Settings, create: bool) -> Result<Store, Error> {
    let secret = settings.effective_database_url();
    let (url, max_connections) = (secret.expose().to_owned(), settings.database.max_connections);
    let opened = Store::open(&zot_store::Options { url, max_connections, create }).await;
    opened.map_err(Error::database(&secret))
}

/// Two servers on one SQLite database would each believe to be its only writer: the lock lies beside the database.
fn lock(settings: &Settings) -> Result<File, Error> {
    let path = sqlite_file(&settings.effective_database_url()).unwrap_or_default();
    // a link to it is the same database
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let path = format!("{}.lock", path.display());
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.try_lock().map_err(|_| {
        Error::Refused(format!(
            "another server runs on this database (it holds {path}): SQLite allows one; for several set database.url to a \
             Postgres database"
        ))
    })?;
    Ok(file)
}

/// Where an SQLite database lies.
fn sqlite_file(url: &Secret) -> Option<PathBuf> {
    let path = url.expose().strip_prefix("sqlite:")?.trim_start_matches("//");
    // as it is read where the database is opened
    let path = percent_encoding::percent_decode_str(path.split('?').next().unwrap_or_default());
    Some(path.decode_utf8_lossy().into_owned().into())
}

pub(crate) fn backend(settings: &Settings) -> Backend {
    let Some(driver) = &settings.storage.storage_driver else {
        return Backend::Local(settings.storage.root_directory.join("blobs"));
    };
    let (endpoint, prefix, skip_verify) = (driver.endpoint_url(), driver.root_directory.clone(), driver.skip_verify);
    // settings without the name of a bucket or container are refused when they are loaded
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

/// The doors over an opened store.
pub(crate) struct Doors {
    pub app: App,
    pub metrics: Arc<Metrics>,
    pub notes: Notes,
    pub buckets: Buckets,
    pub identity: Arc<Identity>,
    pub accounts: Accounts,
    /// Where the identities' master keys come from.
    pub masters: masters::Origin,
    /// Records that wait for the database.
    pub decision_queue: DecisionQueue,
    pub sealer: BatchCloser,
    /// The S3 door, for a port of its own.
    pub s3: Option<Mounted>,
}

/// Builds the doors.
pub(crate) async fn doors(settings: &Settings, opened: &Opened, version: &'static str) -> Result<Doors, Error> {
    let (keys, admin_secret) =
        admin::access_keys(&settings.storage.root_directory, &opened.store, settings.extensions.rbac.enabled).await?;
    let has_closed = opened.store.has_closed().await?;
    let masters = masters::Origin::of(settings, opened.store.dialect(), &admin_secret, has_closed)?;
    let (policy, decision_queue) = authorizer(settings);
    let access = AccessControl::new(Arc::new(opened.store.clone()), policy.clone());
    for closed in access.load().await? {
        tracing::error!("{closed}");
    }
    let setup = Setup {
        fixed: keys,
        store_id: opened.store_id.clone(),
        service: settings.auth.bearer.service.clone(),
        masters: masters.read()?,
        issuers: issuers::trusted(&settings.extensions.rbac)?,
        failures_per_minute: Some(settings.auth.failures_per_minute).filter(|limit| *limit > 0),
        session_max_secs: i64::try_from(settings.auth.session_max_duration.0.as_secs()).unwrap_or(i64::MAX),
    };
    let identity = Arc::new(Identity::new(setup, Arc::new(opened.store.clone()), access.clone())?);
    identity.follow().await?;
    let shut = identity.unopened();
    if shut > 0 {
        tracing::error!(
            access_keys = shut,
            "access keys cannot be opened and are not accepted: they were encrypted with a master key that is not here; add \
             it to auth.keyFile behind the first, or delete them"
        );
    }
    let accounts = Accounts::new(Arc::clone(&identity), policy.clone());
    let artifacts = Artifacts::new(Arc::new(opened.store.clone()), Arc::new(opened.blobs.clone()), policy.clone());
    let audit = AuditLog::new(Arc::new(opened.store.clone()), policy.clone());
    let metrics = metrics(opened.store.clone(), policy.decision_log().clone(), decision_queue.clone());
    let buckets = Buckets::new(Arc::new(opened.store.clone()), Arc::new(opened.blobs.clone()), access.clone());
    let s3 = settings.extensions.s3api.enabled.then(|| s3_door(settings, buckets.clone(), Arc::clone(&identity)));
    let options = options(settings, opened)?;
    let notes = options.notes.clone();
    let mut app = App::new(artifacts, Arc::clone(&identity), Arc::clone(&metrics), options, Version(version));
    app = app.with_access(access, accounts.clone()).with_audit(audit);
    if let Some(door) = &s3 {
        app = app.with_objects(buckets.clone());
        let prefix = &settings.extensions.s3api.base_path;
        app = app.mount(prefix, mounted(door, prefix));
    }
    let sealer = sealer(settings, opened, &masters)?;
    let s3 = s3.map(|door| mounted(&door, ""));
    Ok(Doors { app, metrics, notes, buckets, identity, accounts, masters, decision_queue, sealer, s3 })
}

/// What decides, and the queue of records that its decisions leave.
fn authorizer(settings: &Settings) -> (Authorizer, DecisionQueue) {
    let rbac = &settings.extensions.rbac;
    let authorizer = Authorizer::new(PolicySettings {
        access_control: rbac.enabled,
        anonymous_read: rbac.allow_anonymous_get,
        read_only: settings.http.read_only,
    });
    let queue = DecisionQueue::default();
    let records = rbac.enabled && rbac.audit_logging;
    let log = if records { DecisionLog::recording(queue.clone()) } else { DecisionLog::default() };
    (authorizer.with_log(log), queue)
}

/// Metrics whose figures are kept elsewhere.
fn metrics(store: Store, decisions: DecisionLog, queue: DecisionQueue) -> Arc<Metrics> {
    Arc::new(Metrics::new(Box::new(move || {
        let pool = store.pool_status();
        Sample {
            connections_open: pool.open,
            connections_idle: pool.idle,
            queued_writes: pool.queued_writes,
            checks: decisions.checks(),
            audit: queue.figures(),
        }
    })))
}

fn mounted(door: &Door, prefix: &str) -> Mounted {
    let (server, prefix) = (door.clone(), prefix.to_owned());
    let refuser = door.clone();
    Mounted {
        serve: Arc::new(move |request| {
            let (door, prefix) = (server.clone(), prefix.clone());
            Box::pin(async move { door.serve(request, &prefix).await })
        }),
        refusal: Arc::new(move |request| Box::new(refuser.refusal(request))),
    }
}

fn s3_door(settings: &Settings, buckets: Buckets, identity: Arc<Identity>) -> Door {
    let s3api = &settings.extensions.s3api;
    let options = zot_s3::Options {
        max_upload: settings.limits.max_request_body_size.map_or(u64::MAX, |size| size.0).min(s3api.max_upload_size.0),
        multipart: s3api.enable_multipart,
        presigned: s3api.enable_presigned_url,
        domain: s3api.domain.clone(),
    };
    Door::new(buckets, identity, options)
}

fn options(settings: &Settings, opened: &Opened) -> Result<Options, Error> {
    let metrics = &settings.extensions.metrics;
    let health = metrics.health.enabled.then(|| HealthPaths {
        health: metrics.health.health_path.clone(),
        live: metrics.health.liveness_path.clone(),
        ready: metrics.health.readiness_path.clone(),
    });
    let limits = &settings.limits;
    Ok(Options {
        realm: settings.http.realm.clone(),
        token_realm: settings.auth.bearer.realm.clone(),
        health,
        metrics_path: (metrics.enabled && metrics.prometheus.enabled).then(|| metrics.prometheus.path.clone()),
        cors: cors(settings)?,
        max_concurrent_requests: limits.max_concurrent_requests.map(|most| most as usize),
        request_timeout: limits.request_timeout.map(|span| span.0),
        max_body: limits.max_request_body_size.map(|size| size.0),
        tls: settings.http.tls.is_some(),
        trusted_proxies: networks(&settings.http.trusted_proxies),
        warnings: [warnings(settings), opened.warnings.clone()].concat(),
        notes: Notes::default(),
    })
}

/// What an operator should know of, at start and in `/health`.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let address = settings.effective_address();
    if !settings.extensions.rbac.enabled && !is_loopback(address) {
        warnings.push(format!(
            "access control is off and http.address is {address}: whoever reaches this address may change everything; \
             set extensions.rbac.enabled"
        ));
    }
    let on_postgres = settings.effective_database_url().expose().starts_with("postgres");
    let given = settings.auth.key_file.is_some() || admin::is_given();
    if settings.extensions.rbac.enabled && on_postgres && !given {
        warnings.push(
            "secrets of access keys are encrypted with a key that is derived from admin-key.json in storage.rootDirectory: \
             without this file all of them are lost. Set auth.keyFile, or ZOT_ADMIN_ACCESS_KEY and ZOT_ADMIN_SECRET_KEY"
                .to_owned(),
        );
    }
    warnings
}

/// Networks, and addresses as networks of one; what is none was refused when the settings were loaded.
fn networks(texts: &[String]) -> Vec<ipnet::IpNet> {
    texts.iter().filter_map(|text| zot_core::policy::condition::network(text)).collect()
}

fn is_loopback(address: &str) -> bool {
    address == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn cors(settings: &Settings) -> Result<Option<Cors>, Error> {
    let cors = &settings.http.cors;
    if cors.allow_origin.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cors {
        origins: parsed::<HeaderValue>("http.cors.allowOrigin", &cors.allow_origin)?,
        methods: parsed::<Method>("http.cors.allowMethods", &cors.allow_methods)?,
        headers: parsed::<HeaderName>("http.cors.allowHeaders", &cors.allow_headers)?,
        expose: parsed::<HeaderName>("http.cors.exposeHeaders", &cors.expose_headers)?,
    }))
}

fn parsed<T: FromStr>(key: &str, texts: &[String]) -> Result<Vec<T>, Error> {
    let parse = |text: &String| text.parse().map_err(|_| Error::Refused(format!("{key}: {text:?} is not valid there")));
    texts.iter().map(parse).collect()
}
