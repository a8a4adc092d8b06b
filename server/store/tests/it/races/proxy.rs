//! Stands between the store and Postgres, and loses connections during COMMIT.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// When a connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Before the COMMIT reached the server.
    Before,
    /// After the server carried it out and before its answer reached the client.
    After,
    /// At once for the client; the server gets the COMMIT when the test says so.
    Late,
}

/// The proxy. Its connections end with the test.
pub(crate) struct Proxy {
    url: String,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    losses: Mutex<VecDeque<Loss>>,
    late: Notify,
}

impl Proxy {
    /// Stands before the database of that URL.
    pub(crate) async fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (credentials, rest) = rest.rsplit_once('@').unwrap();
        let (server, path) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let orders = Arc::new(Orders::default());
        tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&orders)));
        let options = if path.contains('?') { "&sslmode=disable" } else { "?sslmode=disable" };
        Self { url: format!("{scheme}://{credentials}@127.0.0.1:{port}/{path}{options}"), orders }
    }

    /// Where to connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next COMMITs are lost like that, one after the other.
    pub(crate) fn lose(&self, losses: &[Loss]) {
        self.losses().extend(losses);
    }

    /// How many of them were not lost yet.
    pub(crate) fn waiting(&self) -> usize {
        self.losses().len()
    }

    /// The server gets the COMMIT that was held back.
    pub(crate) fn deliver(&self) {
        self.orders.late.notify_one();
    }

    fn losses(&self) -> std::sync::MutexGuard<'_, VecDeque<Loss>> {
        self.orders.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, server: String, orders: Arc<Orders>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(&server).await.unwrap();
        for half in [&client, &server] {
            half.set_nodelay(true).unwrap();
        }
        tokio::spawn(carry(client, server, Arc::clone(&orders)));
    }
}

/// Both directions of one connection, until it ends or is lost.
async fn carry(client: TcpStream, server: TcpStream, orders: Arc<Orders>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let silent = Arc::new(AtomicBool::new(false));
    let answers = tokio::spawn(forward_answers(from_server, to_client, Arc::clone(&silent)));
    let _ = forward_requests(from_client, to_server, &orders, &silent, answers).await;
}

/// Answers of the server. Once silent, the first one ends the connection: it is the answer to COMMIT.
async fn forward_answers(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, silent: Arc<AtomicBool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        if silent.load(Ordering::SeqCst) || client.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Messages of the client, each read as a whole: the first has no type, then a type and a length that counts itself.
async fn forward_requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    orders: &Orders,
    silent: &AtomicBool,
    answers: tokio::task::JoinHandle<()>,
) -> std::io::Result<()> {
    let mut kind = None;
    loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        let loss = (kind == Some(b'Q') && body.starts_with(b"COMMIT"))
            .then(|| orders.losses.lock().unwrap_or_else(PoisonError::into_inner).pop_front())
            .flatten();
        match loss {
            None => {}
            Some(Loss::Before) => {
                answers.abort();
                return Ok(());
            }
            Some(Loss::After) => silent.store(true, Ordering::SeqCst),
            Some(Loss::Late) => {
                // the client sees the end of its connection; the server's goes on
                answers.abort();
                drop(client);
                orders.late.notified().await;
                server.write_all(&message(kind, length, &body)).await?;
                // it ends only after the server has read it
                server.shutdown().await?;
                return Ok(());
            }
        }
        server.write_all(&message(kind, length, &body)).await?;
        if loss == Some(Loss::After) {
            let _ = answers.await;
            return Ok(());
        }
        kind = Some(client.read_u8().await?);
    }
}

fn message(kind: Option<u8>, length: u32, body: &[u8]) -> Vec<u8> {
    kind.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect()
}
