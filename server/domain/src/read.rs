//! The only way to content: whichever API asks, the store sends only the bytes of a [`Readable`], which only
//! [`ReadGate::authorize_read`] makes. Policies on content (signature verification, for example) belong here.
//!
//! The compiler enforces it: use cases have blob storage as [`BlobWrites`](crate::ports::blobs::BlobWrites), which
//! cannot read. Two background paths read without a caller and send no byte to an API: digesting, by
//! [`ReadGate::open_internally`], and `fsck`, by [`open`].

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use zot_core::action::Action;
use zot_core::policy::{Context, Operation, Resource};
use zot_core::range::ByteRange;

use crate::authorizer::Authorizer;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ports::blobs::{BlobReads, ByteStream};
use crate::ports::content::{BlobContent, Content, pieces_of};
use crate::ports::metadata::StoredManifest;
use crate::ports::objects::ObjectVersion;

/// Content that the caller may read.
#[derive(Clone, Debug)]
pub struct Readable<T>(T);

impl<T> Readable<T> {
    /// The value, without the right to read its bytes.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Readable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

pub trait HasContent {
    fn content(&self) -> &Content;
}

impl HasContent for BlobContent {
    fn content(&self) -> &Content {
        &self.content
    }
}

impl HasContent for StoredManifest {
    fn content(&self) -> &Content {
        &self.blob.content
    }
}

impl HasContent for ObjectVersion {
    fn content(&self) -> &Content {
        &self.content
    }
}

/// Authorizes reads and has the right to read. Cheap to clone.
#[derive(Clone)]
pub struct ReadGate {
    authorizer: Authorizer,
    blobs: Arc<dyn BlobReads>,
}

impl ReadGate {
    pub(crate) fn new(authorizer: Authorizer, blobs: Arc<dyn BlobReads>) -> Self {
        Self { authorizer, blobs }
    }

    /// Authorizes the read, for this S3 operation if it is one, and only then looks for the resource: a refusal does
    /// not reveal whether it exists.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::InsufficientScope`], [`Error::Denied`], and those of `find`.
    pub(crate) async fn authorize_read<T, E: From<Error>>(
        &self,
        call: &Call,
        operation: Option<Operation>,
        resource: Resource<'_>,
        find: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Readable<T>, E> {
        let context = Context { operation, ..call.context() };
        self.authorizer.require_in(call, Action::Read, resource, &context)?;
        find.await.map(Readable)
    }

    /// Whether the caller may read the resource, for lists and mounts. It is not logged, as nothing is refused.
    pub(crate) fn may_read(&self, call: &Call, operation: Option<Operation>, resource: Resource<'_>) -> bool {
        let context = Context { operation, ..call.context() };
        self.authorizer.decide(&call.principal, Action::Read, resource, &context).allowed
    }

    pub(crate) fn open(&self, readable: &Readable<impl HasContent>, range: ByteRange) -> ByteStream {
        open(&*self.blobs, readable.content(), range)
    }

    /// A range of the bytes, to compute a digest. Never give it to an API.
    pub(crate) fn open_internally(&self, content: &Content, range: ByteRange) -> ByteStream {
        open(&*self.blobs, content, range)
    }
}

/// A range of some content, for those who have the right to read.
pub(crate) fn open(blobs: &dyn BlobReads, content: &Content, range: ByteRange) -> ByteStream {
    match content {
        Content::Inline(bytes) => {
            let part = slice(bytes, range);
            Box::pin(stream::once(async move { part }))
        }
        Content::Segments(segments) => blobs.read(pieces_of(segments, range)),
    }
}

fn slice(bytes: &Bytes, range: ByteRange) -> Result<Bytes> {
    let bound = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (bound(range.start), bound(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(Error::Internal("inline content is shorter than its row says".to_owned())),
    }
}
