//! A store of its own for each test, and the clients that talk to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tempfile::TempDir;
use zot_blobs::{Backend, BlobStore};
use zot_core::policy::Settings;
use zot_core::principal::Principal;
use zot_domain::Artifacts;
use zot_domain::authorizer::Authorizer;
use zot_domain::ports::blobs::Blobs;
use zot_http::metrics::{Metrics, Sample};
use zot_http::{App, HealthPaths, Options, Version};
use zot_identity::{AccessKey, Identity, Setup};
use zot_store::Store;

use crate::client::Client;
use crate::invariants;

pub(crate) const ADMIN: (&str, &str) = ("admin", "the admin's secret");
pub(crate) const SECOND: (&str, &str) = ("second", "another admin's secret");
pub(crate) const READER: (&str, &str) = ("reader", "the reader's secret");
pub(crate) const SERVICE: &str = "zot-test";

/// Access control on, and nothing for the anonymous.
pub(crate) const STRICT: Settings = Settings { access_control: true, anonymous_read: false, read_only: false };

/// A store, and doors over it. What must always hold of a store is checked when it goes.
pub(crate) struct TestApp {
    pub(crate) store: Store,
    pub(crate) store_id: String,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) app: App,
    router: Router,
    directory: TempDir,
}

impl TestApp {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("metadata.db").display());
        let store = Store::open(&zot_store::Options { url, max_connections: 4, create: true }).await.unwrap();
        store.migrate().await.unwrap();
        let info = store.info().await.unwrap();
        let blobs = BlobStore::open(&Backend::Local(directory.path().join("blobs")), &info.store_id).unwrap();
        blobs.ensure_marker(&info.incarnation).await.unwrap();
        let blobs: Arc<dyn Blobs> = Arc::new(blobs);
        let app = doors(&store, &info.store_id, &blobs, STRICT, options());
        let router = zot_http::router(app.clone());
        Self { store, store_id: info.store_id, blobs, app, router, directory }
    }

    /// Doors over the same store with other settings.
    pub(crate) fn doors(&self, policy: Settings, options: Options) -> Client {
        self.doors_over(&self.blobs, policy, options)
    }

    /// Doors over the same database and another blob storage.
    pub(crate) fn doors_over(&self, blobs: &Arc<dyn Blobs>, policy: Settings, options: Options) -> Client {
        Client::new(zot_http::router(doors(&self.store, &self.store_id, blobs, policy, options)))
    }

    /// May do everything.
    pub(crate) fn admin(&self) -> Client {
        self.anonymous().with_key(ADMIN)
    }

    /// May do everything too, and is somebody else.
    pub(crate) fn second(&self) -> Client {
        self.anonymous().with_key(SECOND)
    }

    /// May read everything.
    pub(crate) fn reader(&self) -> Client {
        self.anonymous().with_key(READER)
    }

    /// Says nothing of who it is.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.router.clone())
    }

    /// Access control is off.
    pub(crate) fn open(&self) -> Client {
        self.doors(Settings { access_control: false, ..STRICT }, options())
    }

    /// The directory of blobs.
    pub(crate) fn blobs_directory(&self) -> PathBuf {
        self.directory.path().join("blobs")
    }

    /// The first column of the first row, a number.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.raw_pool()).await.unwrap()
    }
}

/// Health and metrics where they are by default, and no limits.
pub(crate) fn options() -> Options {
    Options {
        realm: "zot".to_owned(),
        health: Some(HealthPaths {
            health: "/health".to_owned(),
            live: "/health/live".to_owned(),
            ready: "/health/ready".to_owned(),
        }),
        metrics_path: Some("/metrics".to_owned()),
        ..Options::default()
    }
}

fn doors(store: &Store, store_id: &str, blobs: &Arc<dyn Blobs>, policy: Settings, options: Options) -> App {
    let key = |(id, secret): (&str, &str), role: &str| {
        let subject = format!("key:{id}");
        let principal = Principal::known(&subject, [subject.clone(), format!("role:{role}")], BTreeMap::new());
        AccessKey::new(id.to_owned(), secret.to_owned(), principal)
    };
    let keys = vec![key(ADMIN, "admin"), key(SECOND, "admin"), key(READER, "viewer")];
    let engine = Authorizer::new(policy);
    let setup = Setup {
        fixed: keys,
        store_id: store_id.to_owned(),
        service: SERVICE.to_owned(),
        masters: vec![ADMIN.1.as_bytes().to_vec()],
        issuers: Vec::new(),
        failures_per_minute: None,
        session_max_secs: 3600,
    };
    let access = zot_domain::Access::new(Arc::new(store.clone()), engine.clone());
    let identity = Arc::new(Identity::new(setup, Arc::new(store.clone()), access).unwrap());
    let artifacts = Artifacts::new(Arc::new(store.clone()), Arc::clone(blobs), engine);
    let metrics = Arc::new(Metrics::new(Box::new(Sample::default)));
    App::new(artifacts, identity, metrics, options, Version("0.0.0-test"))
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            invariants::hold(self.directory.path(), &self.store_id);
        }
    }
}
