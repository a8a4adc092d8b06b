//! A store for each test, and its clients.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tempfile::TempDir;
use zot_blobs::{Backend, BlobStore};
use zot_core::policy::Settings;
use zot_core::principal::Principal;
use zot_domain::authorizer::Authorizer;
use zot_domain::ports::blobs::Blobs;
use zot_domain::{Access, Artifacts, AuditLog, Buckets};
use zot_gateway::metrics::{Metrics, Sample};
use zot_gateway::{Authenticator, Endpoint, Gateway, HealthPaths, Options, Version};
use zot_identity::{AccessKey, Accounts, Identity, Setup};
use zot_oci::Registry;
use zot_rest::Rest;
use zot_s3::S3;
use zot_store::Store;

use crate::client::Client;
use crate::invariants;

pub const ADMIN: (&str, &str) = ("admin", "the admin's secret");
pub const SECOND: (&str, &str) = ("second", "another admin's secret");
pub const READER: (&str, &str) = ("reader", "the reader's secret");
pub const SERVICE: &str = "zot-test";

/// Access control is on, and anonymous requests may read nothing.
pub const STRICT: Settings = Settings { access_control: true, anonymous_read: false, read_only: false };

/// The path of the S3 API on the main port.
pub const S3_PATH: &str = "/s3";

/// The differences between test servers.
#[derive(Clone)]
pub struct Config {
    pub policy: Settings,
    pub gateway: Options,
    /// In bytes.
    pub max_body: Option<u64>,
    pub s3: zot_s3::Options,
}

impl Default for Config {
    fn default() -> Self {
        let s3 = zot_s3::Options { max_upload: u64::MAX, multipart: true, presigned: true, domain: None };
        Self { policy: STRICT, gateway: options(), max_body: None, s3 }
    }
}

/// A store and its server. Dropping it checks the store's invariants.
pub struct TestApp {
    pub store: Store,
    pub store_id: String,
    pub blobs: Arc<dyn Blobs>,
    pub gateway: Gateway,
    router: Router,
    directory: TempDir,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("metadata.db").display());
        let store = Store::open(&zot_store::Options { url, max_connections: 4, create: true }).await.unwrap();
        store.migrate().await.unwrap();
        let info = store.info().await.unwrap();
        let blobs = BlobStore::open(&Backend::Local(directory.path().join("blobs")), &info.store_id).unwrap();
        blobs.ensure_marker(&info.incarnation).await.unwrap();
        let blobs: Arc<dyn Blobs> = Arc::new(blobs);
        let served = Served::new(&store, &info.store_id, &blobs, config);
        served.access.load().await.unwrap();
        let Served { gateway, router, .. } = served;
        Self { store, store_id: info.store_id, blobs, gateway, router, directory }
    }

    /// A client of a server with other settings over the same store.
    pub fn client(&self, policy: Settings, gateway: Options) -> Client {
        self.configured(Config { policy, gateway, ..Config::default() })
    }

    pub fn configured(&self, config: Config) -> Client {
        Client::new(Served::new(&self.store, &self.store_id, &self.blobs, config).router)
    }

    /// A client of another server over the same store, which has loaded the policies.
    pub async fn restarted(&self, config: Config) -> Client {
        let served = Served::new(&self.store, &self.store_id, &self.blobs, config);
        served.access.load().await.unwrap();
        Client::new(served.router)
    }

    /// A client of a server over the same database and another blob storage.
    pub fn over(&self, blobs: &Arc<dyn Blobs>) -> Client {
        Client::new(Served::new(&self.store, &self.store_id, blobs, Config::default()).router)
    }

    /// Its key may do everything.
    pub fn admin(&self) -> Client {
        self.anonymous().with_key(ADMIN)
    }

    /// Another key that may do everything.
    pub fn second(&self) -> Client {
        self.anonymous().with_key(SECOND)
    }

    /// Its key may read everything.
    pub fn reader(&self) -> Client {
        self.anonymous().with_key(READER)
    }

    pub fn anonymous(&self) -> Client {
        Client::new(self.router.clone())
    }

    /// Access control is off.
    pub fn open(&self) -> Client {
        self.client(Settings { access_control: false, ..STRICT }, options())
    }

    pub fn blobs_directory(&self) -> PathBuf {
        self.directory.path().join("blobs")
    }

    /// The first column of all rows, as text.
    pub async fn column(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(self.store.raw_pool()).await.unwrap()
    }

    /// The first column of the first row, a number.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.raw_pool()).await.unwrap()
    }
}

/// Health and metrics at their default paths, and no limits.
pub fn options() -> Options {
    Options {
        health: Some(HealthPaths {
            health: "/health".to_owned(),
            live: "/health/live".to_owned(),
            ready: "/health/ready".to_owned(),
        }),
        metrics_path: Some("/metrics".to_owned()),
        ..Options::default()
    }
}

struct Served {
    gateway: Gateway,
    access: Access,
    router: Router,
}

impl Served {
    /// Wires the APIs as the server does.
    fn new(store: &Store, store_id: &str, blobs: &Arc<dyn Blobs>, config: Config) -> Self {
        let (store, authorizer) = (Arc::new(store.clone()), Authorizer::new(config.policy));
        let access = Access::new(store.clone(), authorizer.clone());
        let identity = Arc::new(Identity::new(setup(store_id), store.clone(), access.clone()).unwrap());
        let accounts = Accounts::new(Arc::clone(&identity), authorizer.clone());
        let artifacts = Artifacts::new(store.clone(), Arc::clone(blobs), authorizer.clone());
        let buckets = Buckets::new(store.clone(), Arc::clone(blobs), access.clone());
        let authenticator = Authenticator::new(Arc::clone(&identity), authorizer.clone());
        let metrics = Arc::new(Metrics::new(Box::new(Sample::default)));
        let version = Version("0.0.0-test");
        let gateway = Gateway::new(authenticator.clone(), artifacts.clone(), metrics, config.gateway, version);
        let at = |path: &str| Endpoint { tls: false, configured: None, path: path.to_owned() };
        let s3 = S3::new(buckets.clone(), authenticator.clone(), config.s3);
        let (realm, max_body) = ("zot".to_owned(), config.max_body);
        let registry = Registry { artifacts, authenticator, realm, token_endpoint: at(zot_oci::TOKEN_PATH), max_body };
        let rest = Rest {
            access: access.clone(),
            accounts,
            audit: AuditLog::new(store, authorizer),
            buckets,
            identity,
            token_endpoint: at(zot_oci::TOKEN_PATH),
            sts_endpoint: Some(at("/s3/")),
        };
        let (oci, tokens) = zot_oci::router(registry, &gateway);
        let (operations, health) = gateway.operations();
        let rest = zot_rest::router(&rest, &gateway, [tokens, health]);
        let router = oci.merge(operations).merge(rest).merge(gateway.unknown(zot_rest::KNOWN_PATHS));
        let router = gateway.port(router.merge(s3.router(S3_PATH, &gateway)));
        Self { gateway, access, router }
    }
}

fn setup(store_id: &str) -> Setup {
    let key = |(id, secret): (&str, &str), role: &str| {
        let subject = format!("key:{id}");
        let principal = Principal::known(&subject, [subject.clone(), format!("role:{role}")], BTreeMap::new());
        AccessKey::new(id.to_owned(), secret.to_owned(), principal)
    };
    let principal = Principal::break_glass(&format!("key:{}", ADMIN.0));
    let admin = AccessKey::new(ADMIN.0.to_owned(), ADMIN.1.to_owned(), principal);
    Setup {
        fixed: vec![admin, key(SECOND, "admin"), key(READER, "viewer")],
        store_id: store_id.to_owned(),
        service: SERVICE.to_owned(),
        masters: vec![ADMIN.1.as_bytes().to_vec()],
        issuers: Vec::new(),
        failures_per_minute: None,
        session_max_secs: 3600,
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            invariants::hold(self.directory.path(), &self.store_id);
        }
    }
}
