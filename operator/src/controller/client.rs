//! The two ways to the API server: the controller's, which may write as long as the lease is held, and the lease's own.

use std::time::Duration;

use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::filter::FilterLayer;

use crate::error::Error;
use crate::lease::Fence;

/// Longest wait of one request of the lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Without a fence it may always write.
///
/// Nothing is tried again in here: a reconciliation is, as a whole and later each time, and a repetition could come after
/// the lease was lost.
pub(crate) fn of_controller(mut config: Config, fence: Option<Fence>) -> Result<Client, Error> {
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(Error::api("making a client"))?;
    let Some(fence) = fence else { return Ok(builder.build()) };
    let layer = FilterLayer::new(move |request: Request<Body>| {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        if reads || fence.is_open() { Ok(request) } else { Err(Error::LeaseLost) }
    });
    Ok(builder.with_layer(&layer).build())
}

/// One whose requests end before the lease does.
pub(super) fn of_lease(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    config.connect_timeout = Some(LEASE_TIMEOUT);
    config.read_timeout = Some(LEASE_TIMEOUT);
    Client::try_from(config).map_err(Error::api("making a client"))
}
