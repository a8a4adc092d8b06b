//! The only place that knows all parts: builds use cases and each port's routes from the settings.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use zot_core::policy::Settings as PolicySettings;
use zot_domain::audit::{BatchCloser, Chain, Export, Signer};
use zot_domain::authorizer::Authorizer;
use zot_domain::decision_log::{DecisionLog, DecisionQueue};
use zot_domain::fsck::Fsck;
use zot_domain::gc::{Collector, Rules};
use zot_domain::ports::audit::Filter;
use zot_domain::{Access as AccessControl, Artifacts, AuditLog, Buckets};
use zot_gateway::metrics::{Metrics, Sample};
use zot_gateway::{Authenticator, Endpoint, Gateway, Notes, Version};
use zot_identity::{AccessKey, Accounts, Identity, Setup};
use zot_oci::Registry;
use zot_rest::Rest;
use zot_s3::S3;
use zot_settings::Settings;
use zot_store::Store;

use crate::audit_key::AuditKeys;
use crate::error::Error;
use crate::storage::Opened;
use crate::{admin, issuers, masters, options};

/// The longest upload: the sweep treats older unreferenced files as orphans.
pub(crate) const ORPHAN_AGE: Duration = Duration::from_hours(48);

pub(crate) fn collector(settings: &Settings, opened: &Opened, orphan_age: Duration) -> Collector {
    let storage = &settings.storage;
    let rules = Rules { grace: storage.gc_delay.0, delete_delay: storage.gc_delete_delay.0, orphan_age };
    Collector::new(Arc::new(opened.store.clone()), Arc::new(opened.blobs.clone()), rules)
}

pub(crate) fn fsck(opened: &Opened) -> Fsck {
    let (store, blobs) = (opened.store.clone(), opened.blobs.clone());
    Fsck::new(Arc::new(store), Arc::new(blobs.clone()), Arc::new(blobs))
}

/// The signer of the audit trail. None if the master keys are not available.
fn audit_keys(settings: &Settings, opened: &Opened) -> Result<Option<Arc<dyn Signer>>, Error> {
    let Some(masters) = masters::Origin::known(settings, opened.store.dialect())? else { return Ok(None) };
    Ok(Some(Arc::new(AuditKeys::derive(&masters.read()?, &opened.store_id)?)))
}

pub(crate) fn chain(settings: &Settings, opened: &Opened) -> Result<Chain, Error> {
    Ok(Chain::new(Arc::new(opened.store.clone()), audit_keys(settings, opened)?))
}

/// All rows of the audit trail, for an operator with access to the database.
pub(crate) fn export(opened: &Opened) -> Export {
    Export::new(Arc::new(opened.store.clone()), Filter::default())
}

fn batch_closer(settings: &Settings, opened: &Opened, masters: &masters::Origin) -> Result<BatchCloser, Error> {
    let signer = Arc::new(AuditKeys::derive(&masters.read()?, &opened.store_id)?);
    let retention = Some(settings.extensions.rbac.audit_retention.0).filter(|span| !span.is_zero());
    let store = opened.store.clone();
    Ok(BatchCloser::new(Arc::new(store.clone()), Arc::new(store), signer, retention))
}

/// A server's use cases and ports, over an opened store.
pub(crate) struct Wired {
    pub gateway: Gateway,
    pub metrics: Arc<Metrics>,
    pub notes: Notes,
    pub buckets: Buckets,
    pub identity: Arc<Identity>,
    pub accounts: Accounts,
    pub masters: masters::Origin,
    pub decision_queue: DecisionQueue,
    pub closer: BatchCloser,
    pub router: Router,
    pub s3: Option<Router>,
}

pub(crate) async fn wire(settings: &Settings, opened: &Opened, version: &'static str) -> Result<Wired, Error> {
    let (store, blobs) = (Arc::new(opened.store.clone()), Arc::new(opened.blobs.clone()));
    let (keys, admin_secret) =
        admin::access_keys(&settings.storage.root_directory, &opened.store, settings.extensions.rbac.enabled).await?;
    let needs_master_key = opened.store.needs_master_key().await?;
    let masters = masters::Origin::of(settings, opened.store.dialect(), &admin_secret, needs_master_key)?;
    let (authorizer, decision_queue) = authorizer(settings);
    let access = AccessControl::new(store.clone(), authorizer.clone());
    for closed in access.load().await? {
        tracing::error!("{closed}");
    }
    let identity = identity(settings, opened, (keys, &masters), access.clone()).await?;
    let accounts = Accounts::new(Arc::clone(&identity), authorizer.clone());
    let artifacts = Artifacts::new(store.clone(), blobs.clone(), authorizer.clone());
    let buckets = Buckets::new(store.clone(), blobs, access.clone());
    let metrics = metrics(opened.store.clone(), authorizer.decision_log().clone(), decision_queue.clone());
    let authenticator = Authenticator::new(Arc::clone(&identity), authorizer.clone());
    let options = options::gateway(settings, &opened.warnings)?;
    let notes = options.notes.clone();
    let gateway =
        Gateway::new(authenticator.clone(), artifacts.clone(), Arc::clone(&metrics), options, Version(version));

    let (tls, configured) = (settings.http.tls.is_some(), settings.auth.bearer.realm.clone());
    let token_endpoint = Endpoint { tls, configured, path: zot_oci::TOKEN_PATH.to_owned() };
    let base_path = &settings.extensions.s3api.base_path;
    let s3 = settings.extensions.s3api.enabled.then(|| s3_api(settings, buckets.clone(), authenticator.clone()));
    let registry = Registry {
        artifacts,
        authenticator,
        realm: settings.http.realm.clone(),
        token_endpoint: token_endpoint.clone(),
        max_body: settings.limits.max_request_body_size.map(|size| size.0),
    };
    let rest = Rest {
        access,
        accounts: accounts.clone(),
        audit: AuditLog::new(store, authorizer),
        buckets: buckets.clone(),
        identity: Arc::clone(&identity),
        token_endpoint,
        sts_endpoint: s3.as_ref().map(|_| Endpoint { tls, configured: None, path: format!("{base_path}/") }),
    };
    let (oci, tokens) = zot_oci::router(registry, &gateway);
    let (operations, health) = gateway.operations();
    let rest = zot_rest::router(&rest, &gateway, [tokens, health]);
    let router = oci.merge(operations).merge(rest).merge(gateway.unknown(zot_rest::KNOWN_PATHS));
    let router = match &s3 {
        Some(s3) => router.merge(s3.router(base_path, &gateway)),
        None => router,
    };
    let router = gateway.port(router);
    let s3 = s3.map(|s3| gateway.port(s3.router("", &gateway)));
    let closer = batch_closer(settings, opened, &masters)?;
    Ok(Wired { gateway, metrics, notes, buckets, identity, accounts, masters, decision_queue, closer, router, s3 })
}

async fn identity(
    settings: &Settings,
    opened: &Opened,
    (fixed, masters): (Vec<AccessKey>, &masters::Origin),
    access: AccessControl,
) -> Result<Arc<Identity>, Error> {
    let setup = Setup {
        fixed,
        store_id: opened.store_id.clone(),
        service: settings.auth.bearer.service.clone(),
        masters: masters.read()?,
        issuers: issuers::trusted(&settings.extensions.rbac)?,
        failures_per_minute: Some(settings.auth.failures_per_minute).filter(|limit| *limit > 0),
        session_max_secs: i64::try_from(settings.auth.session_max_duration.0.as_secs()).unwrap_or(i64::MAX),
    };
    let identity = Arc::new(Identity::new(setup, Arc::new(opened.store.clone()), access)?);
    identity.follow().await?;
    let unopened = identity.unopened();
    if unopened > 0 {
        tracing::error!(
            access_keys = unopened,
            "access keys cannot be decrypted and are refused: they were encrypted with another master key; add it to \
             auth.keyFile after the first, or delete the access keys"
        );
    }
    Ok(identity)
}

/// The authorizer, and the queue of its records.
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

/// Metrics with values from other parts.
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

fn s3_api(settings: &Settings, buckets: Buckets, authenticator: Authenticator) -> S3 {
    let s3api = &settings.extensions.s3api;
    let options = zot_s3::Options {
        max_upload: settings.limits.max_request_body_size.map_or(u64::MAX, |size| size.0).min(s3api.max_upload_size.0),
        multipart: s3api.enable_multipart,
        presigned: s3api.enable_presigned_url,
        domain: s3api.domain.clone(),
    };
    S3::new(buckets, authenticator, options)
}
