//! The one gate for content: whichever API asks, bytes leave the store only for a [`Readable`], and only
//! [`ReadGate::authorize_read`] makes one. Policies on what may be read (trust in signatures, say) belong here.
//!
//! The compiler holds everybody to it: use cases hold blob storage as [`BlobWrites`](crate::ports::blobs::BlobWrites),
//! which cannot read. Two background paths read without a caller and hand no byte to an API: digesting (of objects
//! that were uploaded in parts, and of sessions whose algorithm is named at their end), by
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

/// Something with bytes that a caller may read. It dereferences to what it is.
#[derive(Clone, Debug)]
pub struct Readable<T>(T);

impl<T> Readable<T> {
    /// What it is, without the right to read its bytes.
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

/// What has bytes.
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

/// Decides on reading, and holds the right to read. Cheap to clone.
#[derive(Clone)]
pub struct ReadGate {
    authorizer: Authorizer,
    blobs: Arc<dyn BlobReads>,
}

impl ReadGate {
    pub(crate) fn new(authorizer: Authorizer, blobs: Arc<dyn BlobReads>) -> Self {
        Self { authorizer, blobs }
    }

    /// Decides whether the caller may read the resource, for this operation of S3 if it is one, and only then looks for
    /// it: a refusal says nothing about what is there.
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

    /// The bytes of a range.
    pub(crate) fn open(&self, readable: &Readable<impl HasContent>, range: ByteRange) -> ByteStream {
        open(&*self.blobs, readable.content(), range)
    }

    /// The bytes of a range, to compute a digest. They must not be handed to an API.
    pub(crate) fn open_internally(&self, content: &Content, range: ByteRange) -> ByteStream {
        open(&*self.blobs, content, range)
    }
}

/// The bytes of a range of some content, for those who hold the right to read.
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
