//! Reads pieces of segments one after the other. Missing bytes are an error, never a short body.

pub(crate) mod files;

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use zot_core::range::ByteRange;
use zot_domain::ports::blobs::ByteStream;
use zot_domain::{Error, Result};

/// The pieces' bytes, in order: one streaming request for each.
pub(crate) fn pieces(objects: Arc<dyn ObjectStore>, pieces: VecDeque<(Path, ByteRange)>) -> ByteStream {
    let pieces = stream::iter(pieces);
    Box::pin(pieces.then(move |(path, range)| open(Arc::clone(&objects), path, range)).try_flatten())
}

async fn open(
    objects: Arc<dyn ObjectStore>,
    path: Path,
    range: ByteRange,
) -> Result<BoxStream<'static, Result<bytes::Bytes>>> {
    let options = GetOptions { range: Some(GetRange::Bounded(range.start..range.end)), ..GetOptions::default() };
    let found = objects.get_opts(&path, options).await.map_err(|error| failed(&path, error))?;
    if found.range != (range.start..range.end) {
        return Err(short(&path));
    }
    let state = (found.into_stream(), range.length(), path);
    // a stream that ends early must not look like the end of the piece
    let checked = stream::try_unfold(state, |(mut body, left, path)| async move {
        match body.next().await {
            Some(Ok(chunk)) => {
                let left = left.saturating_sub(chunk.len() as u64);
                Ok(Some((chunk, (body, left, path))))
            }
            Some(Err(error)) => Err(Error::storage(error)),
            None if left > 0 => Err(short(&path)),
            None => Ok(None),
        }
    });
    Ok(checked.boxed())
}

/// A segment that a row names must exist: its absence is damage, not a 404.
fn failed(path: &Path, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => missing(path),
        other => Error::storage(other),
    }
}

fn missing(path: &Path) -> Error {
    Error::Internal(format!("segment {path} is missing in blob storage"))
}

fn short(path: &Path) -> Error {
    Error::Internal(format!("segment {path} is shorter than its row says"))
}
