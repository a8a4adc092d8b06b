//! Round trips to the database, counted by a proxy between our server and Postgres: each `Query` and each `Sync` of the
//! protocol is one, whatever it carries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::error::{Error, Result};
use crate::rows::counted;
use crate::run::say;
use crate::servers::{Api, Place, Server};
use crate::work::{Limit, round};

/// Operations before counting: they prepare the statements of each connection.
const WARM_UP: u64 = 50;
/// Operations that are counted.
const COUNTED: u64 = 100;
/// How long an idle server is watched.
const IDLE: Duration = Duration::from_secs(4);

/// Round trips of an operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trips {
    pub name: String,
    /// Round trips of one such operation, the background's included.
    pub trips: f64,
}

/// Counts the round trips of each kind of operation, and of an idle server in a second.
///
/// # Errors
/// The first wrong answer.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2⁵²")]
pub(crate) async fn count(place: &Place, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Trips>> {
    let mut found = Vec::new();
    for api in [Api::S3, Api::Oci] {
        let cases: Vec<_> = counted(api).into_iter().filter(|(name, _)| wanted(name)).collect();
        if cases.is_empty() {
            continue;
        }
        let trips = Arc::new(AtomicU64::new(0));
        let database = proxied(&place.create_database().await?, Arc::clone(&trips)).await?;
        let side = place.start_on(Server::OursOnPostgres, api, Some(database)).await?;
        for (name, work) in cases {
            work.prepare(&side.target).await?;
            let turns = Arc::default();
            round(&work, &side.target, &turns, 1, Limit::operations(WARM_UP)).await?;
            let before = trips.load(Ordering::Relaxed);
            round(&work, &side.target, &turns, 1, Limit::operations(COUNTED)).await?;
            let trips = (trips.load(Ordering::Relaxed) - before) as f64 / COUNTED as f64;
            say(&format!("round trips: {name}: {trips:.1}"));
            found.push(Trips { name: name.to_owned(), trips });
        }
        let before = trips.load(Ordering::Relaxed);
        tokio::time::sleep(IDLE).await;
        let idle = (trips.load(Ordering::Relaxed) - before) as f64 / IDLE.as_secs_f64();
        say(&format!("round trips: idle, in a second: {idle:.1}"));
    }
    Ok(found)
}

/// Listens in front of the database of this address, and returns the address to use in its place.
async fn proxied(url: &str, trips: Arc<AtomicU64>) -> Result<String> {
    let malformed =
        || Error::Setup("the address of Postgres is not like postgres://user:password@host:port/name".to_owned());
    let (user, rest) = url.rsplit_once('@').ok_or_else(malformed)?;
    let (upstream, name) = rest.split_once('/').ok_or_else(malformed)?;
    let upstream: SocketAddr = upstream.parse().map_err(|_| malformed())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("listening"))?;
    let address = listener.local_addr().map_err(Error::io("listening"))?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, upstream, Arc::clone(&trips)));
        }
    });
    Ok(format!("{user}@{address}/{name}?sslmode=disable"))
}

async fn forward(client: TcpStream, upstream: SocketAddr, trips: Arc<AtomicU64>) -> std::io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut messages = Messages::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from_client.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        trips.fetch_add(messages.trips(&buffer[..read]), Ordering::Relaxed);
        to_server.write_all(&buffer[..read]).await?;
    }
    drop(to_server);
    down.await?.map(drop)
}

/// Parses the messages of a Postgres client, as they arrive.
#[derive(Default)]
struct Messages {
    /// Whether the first message, which has no type, has ended.
    started: bool,
    header: Vec<u8>,
    /// Bytes of the message's body that are still to come.
    left: usize,
}

impl Messages {
    /// How many messages that begin in these bytes expect an answer.
    fn trips(&mut self, mut bytes: &[u8]) -> u64 {
        let mut trips = 0;
        while let Some((byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            bytes = rest;
            self.header.push(*byte);
            let typed = usize::from(self.started);
            if let Some(length) = self.header.get(typed..typed + 4).and_then(|length| length.try_into().ok()) {
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                trips += u64::from(self.started && matches!(self.header[0], b'Q' | b'S'));
                self.started = true;
                self.header.clear();
            }
        }
        trips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_asks_for_an_answer_however_it_is_cut() {
        let mut sent = vec![0, 0, 0, 9, 0, 3, 0, 0, b'Q']; // start; its Q is none
        sent.extend([b'p', 0, 0, 0, 5, b'S']); // password
        sent.extend([b'Q', 0, 0, 0, 6, b'S', 0]);
        sent.extend([b'B', 0, 0, 0, 4, b'E', 0, 0, 0, 5, 0, b'S', 0, 0, 0, 4]);
        for size in [1, 3, 100] {
            let mut messages = Messages::default();
            let trips: u64 = sent.chunks(size).map(|chunk| messages.trips(chunk)).sum();
            assert_eq!(trips, 2, "in pieces of {size}");
        }
    }
}
