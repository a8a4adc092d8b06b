//! Three replicas of the server on one database and one bucket, behind a proxy that gives each request to the next one.

use crate::backend::{Backend, Storage};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::server::{ADMIN, Server, Setup};

/// The number of replicas.
pub const REPLICAS: usize = 3;

/// The replicas and their proxy.
pub struct Cluster {
    replicas: Vec<Server>,
    proxy: Proxy,
    setup: Setup,
}

impl Cluster {
    /// A cluster on a fresh store, without access control.
    pub async fn open() -> Self {
        Self::start(Setup::on(&Backend::PostgresS3.fresh().await)).await
    }

    /// A cluster on a fresh store, with access control.
    pub async fn guarded() -> Self {
        Self::start(Setup::on(&Backend::PostgresS3.fresh().await).with_access_control()).await
    }

    /// A cluster on an existing store, without access control.
    pub async fn on(storage: &Storage) -> Self {
        Self::start(Setup::on(storage)).await
    }

    /// Starts all replicas at once: concurrent first starts, with migrations, must work too.
    pub async fn start(setup: Setup) -> Self {
        let (first, second, third) = tokio::join!(setup.start(), setup.start(), setup.start());
        let replicas = vec![first, second, third];
        let proxy = Proxy::start(replicas.iter().map(Server::address).collect()).await;
        Self { replicas, proxy, setup }
    }

    /// The address that clients use.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// A proxy in front of the replicas' S3 ports, which the setup must have opened.
    pub async fn s3_proxy(&self) -> Proxy {
        Proxy::start(self.replicas.iter().map(Server::s3_address).collect()).await
    }

    /// One replica, for requests to it only.
    pub fn replica(&self, index: usize) -> &Server {
        &self.replicas[index]
    }

    /// A client of the proxy, with the admin's key if access control is on.
    pub fn client(&self) -> Client {
        Client::new(self.proxy.address(), self.setup.has_access_control().then_some(ADMIN))
    }

    /// Kills a replica like a crash. The proxy then sends requests only to the others.
    pub fn kill(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        replica.kill();
        self.proxy.take_out(replica.address());
    }

    /// Replaces a replica by a new process, which the proxy uses from then on.
    pub async fn restart(&mut self, index: usize) {
        let replacement = self.setup.start().await;
        self.proxy.put_in(replacement.address());
        self.proxy.take_out(self.replicas[index].address());
        self.replicas[index] = replacement;
    }
}
