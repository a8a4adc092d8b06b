//! Probes and metrics over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::metrics::OperatorMetrics;

/// A standby replica is as healthy as the leader.
pub(crate) async fn serve(
    health: SocketAddr,
    metrics: SocketAddr,
    registry: Arc<OperatorMetrics>,
) -> Result<(), Error> {
    let well = || async { (StatusCode::OK, "ok\n") };
    let probes = Router::new().route("/healthz", get(well)).route("/readyz", get(well));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = move || async move { ([(header::CONTENT_TYPE, kind)], registry.text()) };
    let scraped = Router::new().route("/metrics", get(text));
    for (address, router) in [(health, probes), (metrics, scraped)] {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    Ok(())
}
