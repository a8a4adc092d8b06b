//! Three replicas of the server on one database and one bucket, behind a proxy that gives each request to another.

use crate::backend::{Backend, Storage};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::server::{ADMIN, Server, Setup};

/// How many replicas there are.
pub const REPLICAS: usize = 3;

/// The replicas and what stands before them.
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

    /// A cluster on a store that is there already, without access control.
    pub async fn on(storage: &Storage) -> Self {
        Self::start(Setup::on(storage)).await
    }

    /// Starts the replicas all at once: the first start of a store, with its migrations, must bear that too.
    pub async fn start(setup: Setup) -> Self {
        let (first, second, third) = tokio::join!(setup.start(), setup.start(), setup.start());
        let replicas = vec![first, second, third];
        let proxy = Proxy::start(replicas.iter().map(Server::address).collect()).await;
        Self { replicas, proxy, setup }
    }

    /// What clients talk to.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// A proxy before the replicas' S3 ports, which the setup must have opened.
    pub async fn s3_proxy(&self) -> Proxy {
        Proxy::start(self.replicas.iter().map(Server::s3_address).collect()).await
    }

    /// A replica, to talk to it alone.
    pub fn replica(&self, index: usize) -> &Server {
        &self.replicas[index]
    }

    /// A client of the proxy, as the administrator where there is access control.
    pub fn client(&self) -> Client {
        Client::new(self.proxy.address(), self.setup.has_access_control().then_some(ADMIN))
    }

    /// Kills a replica as a crash would; requests go on to be sent to the others only.
    pub fn kill(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        replica.kill();
        self.proxy.take_out(replica.address());
    }

    /// Replaces a replica by a new process and sends requests to it.
    pub async fn restart(&mut self, index: usize) {
        let replacement = self.setup.start().await;
        self.proxy.put_in(replacement.address());
        self.proxy.take_out(self.replicas[index].address());
        self.replicas[index] = replacement;
    }
}
