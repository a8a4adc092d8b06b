//! Limits of concurrency and time, and panics of handlers: refusals whose cause is outside of the API.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use zot_domain::Error;

use crate::Gateway;

/// How an API refuses a request that the gateway does not complete.
pub trait Dialect: Clone + Send + Sync + 'static {
    /// The refusal for this request. It is made before the handler consumes the request.
    fn refusal(&self, request: &Request) -> impl FnOnce(Error) -> Response + Send + 'static;

    /// Whether a request is exempt from the limits.
    fn is_exempt(&self, _request: &Request) -> bool {
        false
    }
}

/// Refuses requests beyond the configured concurrency, and those whose response takes too long to begin.
pub(crate) async fn limit<D: Dialect>(
    State((gateway, dialect)): State<(Gateway, D)>,
    request: Request,
    next: Next,
) -> Response {
    let refuse = dialect.refusal(&request);
    let exempt = dialect.is_exempt(&request);
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    let outcome = if exempt { Ok(run.await) } else { within(&gateway, run).await };
    match outcome {
        Ok(Ok(response)) => response,
        // the panic hook has logged it
        Ok(Err(_)) => refuse(Error::Internal("a handler panicked".to_owned())),
        Err(why) => refuse(Error::Unavailable { component: "server", source: why.into() }),
    }
}

async fn within<T>(gateway: &Gateway, run: impl Future<Output = T>) -> Result<T, &'static str> {
    let place = Place::take(&gateway.in_flight);
    if gateway.options.max_concurrent_requests.is_some_and(|most| place.before >= most) {
        return Err("limits.maxConcurrentRequests is reached");
    }
    match gateway.options.request_timeout {
        None => Ok(run.await),
        Some(limit) => {
            let late = |_| "the request took longer than limits.requestTimeout";
            tokio::time::timeout(limit, run).await.map_err(late)
        }
    }
}

/// A slot among the requests that a counter counts; freed when dropped.
pub(crate) struct Place {
    counter: Arc<AtomicUsize>,
    before: usize,
}

impl Place {
    pub(crate) fn take(counter: &Arc<AtomicUsize>) -> Self {
        Self { before: counter.fetch_add(1, Ordering::Relaxed), counter: Arc::clone(counter) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
