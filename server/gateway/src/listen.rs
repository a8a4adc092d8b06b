//! The loop that accepts connections. It stops without interrupting requests in flight.

pub mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;
use zot_domain::call::Origin;

use crate::listen::tls::Tls;
use crate::metrics::Metrics;

/// A client that has not sent its request's head after this long is disconnected.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that has not finished its TLS handshake after this long is disconnected.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight get this long to finish after the signal to stop.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// Most concurrent streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

#[derive(Clone)]
pub struct Service {
    pub router: Router,
    /// None: plain HTTP.
    pub tls: Option<Arc<Tls>>,
    pub metrics: Arc<Metrics>,
}

/// Serves until `stop` completes, then refuses new connections and waits for the requests in flight.
pub async fn serve(listener: TcpListener, service: Service, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => {
                    tokio::spawn(connection(stream, remote, service.clone(), graceful.watcher()));
                }
                Err(error) => {
                    // usually too few file handles: those in use will be freed
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    tracing::info!(connections = graceful.count(), "stopping: waiting for requests in flight");
    if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in flight were interrupted");
    }
}

async fn connection(stream: TcpStream, remote: SocketAddr, service: Service, watcher: Watcher) {
    let metrics = Arc::clone(&service.metrics);
    metrics.connection_opened();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    match &service.tls {
        None => requests(stream, (remote, false), service.router, watcher).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, (remote, true), service.router, watcher).await,
            Ok(Err(error)) => tracing::debug!(%remote, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%remote, "TLS handshake timed out"),
        },
    }
    metrics.connection_closed();
}

async fn requests<S>(stream: S, (remote, tls): (SocketAddr, bool), router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(remote));
        request.extensions_mut().insert(Origin { address: Some(remote.ip()), tls });
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%remote, %error, "connection ended");
    }
}
