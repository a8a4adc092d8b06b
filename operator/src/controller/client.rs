//! The two clients of the API server: the controller's, which may write while the lease is held, and the one of the lease.

use std::time::Duration;

use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::filter::FilterLayer;

use crate::error::Error;
use crate::lease::Fence;

/// Longest request of the lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Without a fence, the client may always write.
///
/// The client does not retry requests: the retry could come after the lease was lost. The controller retries whole
/// reconciliations.
pub(crate) fn of_controller(mut config: Config, fence: Option<Fence>) -> Result<Client, Error> {
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(Error::api("creating a client of the API server"))?;
    let Some(fence) = fence else { return Ok(builder.build()) };
    let layer = FilterLayer::new(move |request: Request<Body>| {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        if reads || fence.is_open() { Ok(request) } else { Err(Error::LeaseLost) }
    });
    Ok(builder.with_layer(&layer).build())
}

/// Its requests time out before the lease expires.
pub(super) fn of_lease(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    config.connect_timeout = Some(LEASE_TIMEOUT);
    config.read_timeout = Some(LEASE_TIMEOUT);
    Client::try_from(config).map_err(Error::api("creating a client of the API server"))
}
