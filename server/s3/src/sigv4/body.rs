//! The body that the codec reads.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::chunked::Decoder;
use super::error::AuthError;

/// The trailing headers of a body. They are available after a successful end.
#[derive(Debug, Clone, Default)]
pub struct Trailers(Arc<OnceLock<HeaderMap>>);

impl Trailers {
    /// The headers, or nothing while the body has not ended (or has ended in an error).
    ///
    /// They are signed if the body was sent in signed chunks. Otherwise it is only sure that they were announced.
    pub fn get(&self) -> Option<&HeaderMap> {
        self.0.get()
    }

    /// Gives the headers, the first time.
    pub(super) fn set(&self, headers: HeaderMap) {
        let _already_set = self.0.set(headers);
    }
}

/// How the bytes are verified.
pub(super) enum Check {
    /// They are decoded from signed or unsigned chunks.
    Chunks(Box<Decoder>),
    /// They must have this digest.
    Digest(Sha256, [u8; 32]),
}

impl Check {
    fn push(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, AuthError> {
        match self {
            Self::Chunks(decoder) => decoder.push(input),
            Self::Digest(hasher, _) => {
                hasher.update(&*input);
                Ok(Some(std::mem::take(input)))
            }
        }
    }

    fn end(&mut self) -> Result<HeaderMap, AuthError> {
        match self {
            Self::Chunks(decoder) => decoder.end(),
            Self::Digest(hasher, expected) => {
                let digest: [u8; 32] = hasher.finalize_reset().into();
                let same = bool::from(digest.ct_eq(expected));
                same.then(HeaderMap::new).ok_or(AuthError::ContentSha256Mismatch)
            }
        }
    }
}

/// A body that is verified while it is read.
///
/// The latest piece is kept back until another one arrives or the end is verified. So a reader that stops at the
/// announced length never has all of a wrong body.
pub(super) struct Checked {
    inner: Body,
    check: Check,
    trailers: Trailers,
    input: Bytes,
    held: Option<Bytes>,
    left: Option<u64>,
    done: bool,
}

impl Checked {
    /// Wraps a body. `length`: in bytes, if known.
    pub(super) fn new(inner: Body, check: Check, length: Option<u64>, trailers: Trailers) -> Self {
        Self { inner, check, trailers, input: Bytes::new(), held: None, left: length, done: false }
    }

    /// Ends the body. Nothing follows an error.
    fn fail<T>(&mut self, error: impl Into<BoxError>) -> Poll<Option<Result<T, BoxError>>> {
        self.done = true;
        self.held = None;
        Poll::Ready(Some(Err(error.into())))
    }

    fn give(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl http_body::Body for Checked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.done {
                return Poll::Ready(None);
            }
            while !this.input.is_empty() {
                match this.check.push(&mut this.input) {
                    Err(error) => return this.fail(error),
                    Ok(None) => {}
                    Ok(Some(bytes)) => {
                        if let Some(earlier) = this.held.replace(bytes) {
                            return this.give(earlier);
                        }
                    }
                }
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Err(error)) => return this.fail(error),
                // trailers of HTTP itself were neither announced to us nor signed
                Some(Ok(frame)) => this.input = frame.into_data().unwrap_or_default(),
                None => match this.check.end() {
                    Err(error) => return this.fail(error),
                    Ok(headers) => {
                        this.done = true;
                        this.trailers.set(headers);
                        return this.held.take().map_or(Poll::Ready(None), |last| this.give(last));
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
