//! This server and its peers, each with its defaults except addresses, folders and keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::content::Content;
use crate::error::{Error, Result};
use crate::process::{Process, free_address, version};
use crate::target::{AccessKey, Target};

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Server {
    /// Ours with its embedded database.
    Ours,
    /// Ours on Postgres, blobs on the same disk.
    OursOnPostgres,
    /// `MinIO` on one drive.
    MinIO,
    /// distribution on its filesystem driver.
    Distribution,
}

impl Server {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursOnPostgres => "ours on Postgres",
            Self::MinIO => "MinIO",
            Self::Distribution => "distribution",
        }
    }
}

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Api {
    /// S3, signed.
    S3,
    Oci,
}

impl Api {
    /// The peer for this protocol.
    pub(crate) fn peer(self) -> Server {
        match self {
            Self::S3 => Server::MinIO,
            Self::Oci => Server::Distribution,
        }
    }
}

/// Programs, folders and the database.
pub(crate) struct Place {
    /// Our server's binary, a release build.
    pub server: PathBuf,
    /// `MinIO`'s.
    pub minio: PathBuf,
    pub registry: PathBuf,
    /// Address of an administrator of Postgres, if there is one.
    pub postgres: Option<String>,
    /// Folder for the data of all of them; each server gets a new one in it.
    pub folder: PathBuf,
    /// The content of requests.
    pub content: Arc<Content>,
}

/// A running server and its clients' view of it.
pub(crate) struct Side {
    pub server: Server,
    pub target: Arc<Target>,
    pub process: Process,
    /// Its data, deleted with it.
    folder: tempfile::TempDir,
}

impl Place {
    /// Starts a server with an empty store and waits until it is ready. `database` is used in place of Postgres' own
    /// address, for a proxy.
    ///
    /// # Errors
    /// [`Error::Setup`] if it does not start.
    pub(crate) async fn start(&self, server: Server, api: Api) -> Result<Side> {
        let database = match server {
            Server::OursOnPostgres => Some(self.create_database().await?),
            _ => None,
        };
        self.start_on(server, api, database).await
    }

    /// The same; ours uses this database.
    ///
    /// # Errors
    /// [`Error::Setup`] if it does not start.
    pub(crate) async fn start_on(&self, server: Server, api: Api, database: Option<String>) -> Result<Side> {
        self.start_with(server, api, database, &[]).await
    }

    /// The same; ours has these settings too.
    ///
    /// # Errors
    /// [`Error::Setup`] if it does not start.
    pub(crate) async fn start_with(
        &self,
        server: Server,
        api: Api,
        database: Option<String>,
        settings: &[(&str, &str)],
    ) -> Result<Side> {
        let folder = tempfile::Builder::new().prefix("zot-bench-").tempdir_in(&self.folder);
        let folder = folder.map_err(Error::io(self.folder.display().to_string()))?;
        let key = AccessKey { id: "bench-key".to_owned(), secret: "bench-secret-8c4f1b7e2d".to_owned() };
        let address = free_address()?;
        let (command, ready, path) = match server {
            Server::Ours | Server::OursOnPostgres => {
                let (mut command, ready, path) = self.ours(folder.path(), api, address, &key, database)?;
                for (name, value) in settings {
                    command.arg("--set").arg(format!("{name}={value}"));
                }
                (command, ready, path)
            }
            Server::MinIO => self.minio(folder.path(), address, &key),
            Server::Distribution => self.distribution(folder.path(), address)?,
        };
        let mut process = Process::start(&command, folder.path().join("log"))?;
        process.wait_ready(ready, path).await?;
        let key = (api == Api::S3).then_some(&key);
        let target = Arc::new(Target::new(address, "", key, Arc::clone(&self.content)));
        Ok(Side { server, target, process, folder })
    }

    /// This server: with access control for S3, where requests are signed; open for OCI, like distribution.
    fn ours(
        &self,
        folder: &Path,
        api: Api,
        address: SocketAddr,
        key: &AccessKey,
        database: Option<String>,
    ) -> Result<(Command, SocketAddr, &'static str)> {
        let (main, s3_port) = match api {
            Api::S3 => (free_address()?, address.port()),
            Api::Oci => (address, 0),
        };
        let mut command = Command::new(&self.server);
        command.arg("serve");
        let mut set = |name: &str, value: String| {
            command.arg("--set").arg(format!("{name}={value}"));
        };
        set("http.address", main.ip().to_string());
        set("http.port", main.port().to_string());
        set("storage.rootDirectory", folder.join("data").display().to_string());
        set("extensions.s3api.port", s3_port.to_string());
        set("extensions.rbac.enabled", (api == Api::S3).to_string());
        command.env("ZOT_ADMIN_ACCESS_KEY", &key.id).env("ZOT_ADMIN_SECRET_KEY", &key.secret);
        if let Some(database) = database {
            command.env("ZOT_DATABASE_URL", database);
        }
        Ok((command, main, "/health/ready"))
    }

    /// `MinIO` on one drive. Without its console, which costs memory, and without its update check.
    fn minio(&self, folder: &Path, address: SocketAddr, key: &AccessKey) -> (Command, SocketAddr, &'static str) {
        let mut command = Command::new(&self.minio);
        command.args(["server", "--quiet", "--address"]).arg(address.to_string()).arg(folder.join("data"));
        command.env("MINIO_ROOT_USER", &key.id).env("MINIO_ROOT_PASSWORD", &key.secret);
        command.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("HOME", folder);
        (command, address, "/minio/health/ready")
    }

    /// distribution with the configuration of its image, except passwords and trace metrics.
    fn distribution(&self, folder: &Path, address: SocketAddr) -> Result<(Command, SocketAddr, &'static str)> {
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  fields:\n    service: registry\nstorage:\n  cache:\n    blobdescriptor: inmemory\n  \
             filesystem:\n    rootdirectory: {}\n  tag:\n    concurrencylimit: 8\nhttp:\n  addr: {address}\n  headers:\n    \
             X-Content-Type-Options: [nosniff]\nhealth:\n  storagedriver:\n    enabled: true\n    interval: 10s\n    \
             threshold: 3\n",
            folder.join("data").display()
        );
        std::fs::write(&config, text).map_err(Error::io(config.display().to_string()))?;
        let mut command = Command::new(&self.registry);
        command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none").env("HOME", folder);
        Ok((command, address, "/v2/"))
    }

    /// Checks every byte in this server's store while it serves.
    ///
    /// # Errors
    /// [`Error::Setup`] with the findings, if there are any.
    pub(crate) fn fsck(&self, side: &Side, database: &str) -> Result<()> {
        let mut command = Command::new(&self.server);
        command.args(["fsck", "--verify", "all", "--set"]);
        command.arg(format!("storage.rootDirectory={}", side.folder.path().join("data").display()));
        command.env("ZOT_DATABASE_URL", database);
        let ended = command.output().map_err(Error::io("checking the store"))?;
        if ended.status.success() {
            return Ok(());
        }
        Err(Error::Setup(format!("fsck: {}{}", utf8(&ended.stdout), utf8(&ended.stderr))))
    }

    /// Makes an empty database and returns its address.
    ///
    /// # Errors
    /// [`Error::Setup`] if no Postgres was named.
    pub(crate) async fn create_database(&self) -> Result<String> {
        let none = || Error::Setup("no Postgres: run through hack/bench".to_owned());
        let (server, _) = self.postgres.as_deref().and_then(|admin| admin.rsplit_once('/')).ok_or_else(none)?;
        let mut connection = PgConnection::connect(&format!("{server}/postgres")).await?;
        let name = format!("zot_bench_{}_{}", std::process::id(), free_address()?.port());
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        connection.close().await?;
        Ok(format!("{server}/{name}"))
    }

    /// Versions of all programs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) async fn versions(&self) -> Result<Vec<(String, String)>> {
        let mut versions = vec![
            ("ours".to_owned(), version(&self.server)),
            ("MinIO".to_owned(), version(&self.minio)),
            ("distribution".to_owned(), version(&self.registry)),
        ];
        if let Some(admin) = &self.postgres {
            let mut connection = PgConnection::connect(admin).await?;
            let (found,): (String,) = sqlx::query_as("SHOW server_version").fetch_one(&mut connection).await?;
            connection.close().await?;
            versions.push(("Postgres".to_owned(), found));
        }
        Ok(versions)
    }
}

fn utf8(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
