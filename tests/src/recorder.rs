//! A server that records requests and always gives the same answer. It replaces services without an emulator, such as a
//! cloud's token endpoint.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A received request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

/// A running server; dropping it ends it.
pub struct Recorder {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a free port of loopback and gives this answer to every request.
    pub async fn start(status: u16, answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let status = StatusCode::from_u16(status).expect("a status");
        let accepting = tokio::spawn(accept(listener, Arc::clone(&asked), status, answer.into()));
        Self { address, asked, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The recorded requests.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic while the lock is held").clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Vec<Asked>>>, status: StatusCode, answer: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (asked, answer) = (Arc::clone(&asked), answer.clone());
        let service = service_fn(move |request| {
            let (asked, answer) = (Arc::clone(&asked), answer.clone());
            async move {
                let request = read(request).await;
                asked.lock().expect("no panic while the lock is held").push(request);
                let mut response = Response::new(Full::new(Bytes::from(answer)));
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        // an error means that the client closed the connection
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Asked { target: head.uri.to_string(), headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
}
