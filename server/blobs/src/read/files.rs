//! Reads local files, a window at a time.
//!
//! Buffers are reused: fresh memory for each window would have to be mapped, cleared and freed. Bytes in the page cache are
//! read at once, others on a blocking thread: switching threads costs as much as copying the window.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use rustix::io::{ReadWriteFlags, preadv2};
use zot_core::range::ByteRange;
use zot_domain::ports::blobs::ByteStream;
use zot_domain::{Error, Result};

use super::{missing, short};

/// Bytes of a window: few enough to be still in a core's cache when they are sent.
const WINDOW: u64 = 256 * 1024;
/// Buffers for reuse: one for reading, one that waits, and those that the connection still sends.
const KEPT: usize = 4;

/// The pieces' bytes, in order, of files below this folder.
pub(crate) fn pieces(root: &FilePath, pieces: VecDeque<(Path, ByteRange)>) -> ByteStream {
    let reader = Arc::new(Reader { root: root.to_owned(), file: Mutex::default(), given: Mutex::default() });
    let windows = stream::iter(pieces).flat_map(|(path, range)| stream::iter(cut(&path, range)));
    // the next window is read while the client receives this one
    Box::pin(windows.map(move |(path, range)| read(Arc::clone(&reader), path, range)).buffered(2))
}

fn cut(path: &Path, range: ByteRange) -> Vec<(Path, ByteRange)> {
    let count = range.length().div_ceil(WINDOW);
    let part = |index| {
        let start = range.start + index * WINDOW;
        (path.clone(), ByteRange { start, end: range.end.min(start + WINDOW) })
    };
    (0..count).map(part).collect()
}

async fn read(reader: Arc<Reader>, path: Path, range: ByteRange) -> Result<Bytes> {
    let length = usize::try_from(range.length()).map_err(|_| short(&path))?;
    let mut buffer = reader.buffer(length);
    let cached = reader.opened(&path).map_or(0, |file| read_cached(&file, &mut buffer, range.start));
    if cached < length {
        let (reader, start) = (Arc::clone(&reader), range.start + cached as u64);
        let read = move || reader.read_exact(&path, &mut buffer[cached..], start).map(|()| buffer);
        let read = tokio::task::spawn_blocking(read).await;
        buffer = read.unwrap_or_else(|error| Err(Error::Internal(format!("reading: {error}"))))?;
    }
    let bytes = buffer.freeze();
    reader.give(bytes.clone());
    Ok(bytes)
}

/// Reads bytes that are in the page cache. Returns how many.
fn read_cached(file: &File, buffer: &mut [u8], start: u64) -> usize {
    let mut slices = [IoSliceMut::new(buffer)];
    // the thread reads from filesystems that cannot tell, and repeats failed reads to report the error
    preadv2(file, &mut slices, start, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

/// The state that all windows of a body share.
struct Reader {
    root: PathBuf,
    /// The last file, still open.
    file: Mutex<Option<(Path, Arc<File>)>>,
    /// The returned windows. When nobody else uses one, its memory is reused.
    given: Mutex<VecDeque<Bytes>>,
}

impl Reader {
    /// Reads, and waits for the disk if it must.
    fn read_exact(&self, path: &Path, buffer: &mut [u8], start: u64) -> Result<()> {
        let read = self.open(path).and_then(|file| file.read_exact_at(buffer, start));
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(path),
            ErrorKind::UnexpectedEof => short(path),
            _ => Error::storage(error),
        })
    }

    fn open(&self, path: &Path) -> std::io::Result<Arc<File>> {
        if let Some(file) = self.opened(path) {
            return Ok(file);
        }
        let file = Arc::new(File::open(self.root.join(path.as_ref()))?);
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some((path.clone(), Arc::clone(&file)));
        Ok(file)
    }

    fn opened(&self, path: &Path) -> Option<Arc<File>> {
        let open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|(found, _)| found == path).map(|(_, file)| Arc::clone(file))
    }

    fn give(&self, bytes: Bytes) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.push_back(bytes);
        if given.len() > KEPT {
            given.pop_front();
        }
    }

    /// A buffer of that length with any content.
    fn buffer(&self, length: usize) -> BytesMut {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match given.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(mut buffer)) => {
                buffer.resize(length, 0);
                buffer
            }
            Some(Err(in_use)) => {
                given.push_front(in_use);
                BytesMut::zeroed(length)
            }
            None => BytesMut::zeroed(length),
        }
    }
}
