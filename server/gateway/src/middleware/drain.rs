//! Drains an unread request body before a refusal is sent, so that the client receives the refusal.
//!
//! If the server closes a connection while the client still sends, the kernel discards the response: a client that
//! pushes a large blob would see "connection reset" instead of "403". Draining is bounded in bytes and time.
//!
//! If the client waits for `100 Continue`, the body may never come, so the connection is closed instead.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{Version, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

/// Most bytes that are drained.
const DRAIN_MAX: usize = 256 * 1024 * 1024;
/// Longest time of draining.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that sends nothing for this long has stopped.
const IDLE: Duration = Duration::from_millis(500);

/// A request's body, shared by the handler and the drain.
#[derive(Clone)]
pub(crate) struct Tapped {
    body: Arc<Mutex<Body>>,
    polled: Arc<AtomicBool>,
    waits: bool,
}

impl Tapped {
    /// Puts a tapped body into the request. None if the protocol needs no draining.
    pub(crate) fn tap(request: &mut Request) -> Option<Self> {
        if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
            return None;
        }
        let waits = request.headers().contains_key(header::EXPECT);
        let body = Arc::new(Mutex::new(std::mem::take(request.body_mut())));
        let tapped = Self { body, polled: Arc::new(AtomicBool::new(false)), waits };
        *request.body_mut() = Body::new(tapped.clone());
        Some(tapped)
    }

    /// Whether the client waits for `100 Continue` before its body (RFC 9110, section 10.1.1). After a final response
    /// it may send the body or not. On a kept connection, the next request could be mistaken for that body.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waits && !self.polled.load(Ordering::Relaxed)
    }

    /// Reads and discards the rest.
    pub(crate) async fn drain(mut self) {
        let read = async {
            let mut left = DRAIN_MAX;
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(IDLE, self.frame()).await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(length) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        };
        // a client that sends for longer sees the reset
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, read).await;
    }
}

impl HttpBody for Tapped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.polled.store(true, Ordering::Relaxed);
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
