//! Writes a segment: one request for a small one, a multipart upload in bounded memory for a large one.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, UploadPart};
use zot_core::hash::Hasher;
use zot_domain::ports::blobs::ByteStream;
use zot_domain::{Error, Result};

use crate::hashing::{BATCH, HashTask};
use crate::tuning::Tuning;

/// Concurrent parts of an upload.
const IN_FLIGHT: usize = 2;
/// From this number on, parts are four times as large: clouds accept at most 10,000.
const GROW_AFTER: usize = 1000;

pub(crate) struct Done {
    pub size: u64,
    pub hasher: Hasher,
    pub broken: Option<Error>,
}

/// Writes `head` and `body`. If the body fails, the segment ends there. If the backend fails, there is no segment.
pub(crate) async fn segment(
    objects: &dyn ObjectStore,
    path: &Path,
    tuning: &Tuning,
    head: Bytes,
    mut body: ByteStream,
    hasher: Hasher,
) -> Result<Done> {
    let mut sink = Sink { objects, path, tuning, part: Vec::new(), buffered: 0, parts: 0, upload: None };
    let written = match fill(&mut sink, head, &mut body, hasher).await {
        Ok(filled) => {
            // the last bytes are hashed while the backend makes all of them durable
            let (hasher, closed) = tokio::join!(filled.hash.last(filled.batch), sink.close());
            closed.and(hasher).map(|hasher| Done { size: filled.size, hasher, broken: filled.broken })
        }
        Err(error) => Err(error),
    };
    match written {
        Ok(done) => Ok(done),
        Err(error) => Err(sink.abort(error).await),
    }
}

/// A segment whose bytes are all sent. The last of them are not hashed yet.
struct Filled {
    size: u64,
    hash: HashTask,
    batch: Vec<Bytes>,
    broken: Option<Error>,
}

async fn fill(sink: &mut Sink<'_>, head: Bytes, body: &mut ByteStream, hasher: Hasher) -> Result<Filled> {
    let mut hash = HashTask::new(hasher);
    let mut size = 0;
    let mut batch = Vec::new();
    let mut batched = 0;
    let mut broken = None;
    let mut next = Some(head);
    while let Some(bytes) = next {
        size += bytes.len() as u64;
        batched += bytes.len();
        batch.push(bytes.clone());
        sink.push(bytes).await?;
        if batched >= BATCH {
            hash = hash.feed(std::mem::take(&mut batch)).await?;
            batched = 0;
        }
        next = match body.next().await {
            Some(Ok(bytes)) => Some(bytes),
            Some(Err(error)) => {
                broken = Some(error);
                None
            }
            None => None,
        };
    }
    Ok(Filled { size, hash, batch, broken })
}

/// Collects bytes into parts.
struct Sink<'a> {
    objects: &'a dyn ObjectStore,
    path: &'a Path,
    tuning: &'a Tuning,
    part: Vec<Bytes>,
    buffered: usize,
    parts: usize,
    upload: Option<Multipart>,
}

struct Multipart {
    upload: Box<dyn MultipartUpload>,
    in_flight: FuturesUnordered<UploadPart>,
}

impl Sink<'_> {
    async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.buffered += bytes.len();
        self.part.push(bytes);
        let size = if self.parts < GROW_AFTER { self.tuning.part } else { 4 * self.tuning.part };
        if self.buffered >= size { self.flush().await } else { Ok(()) }
    }

    /// Waits until few enough parts are being sent, and sends this one.
    async fn flush(&mut self) -> Result<()> {
        let promise = self.tuning.disk_reserve.take(self.buffered as u64)?;
        let payload = PutPayload::from_iter(std::mem::take(&mut self.part));
        self.buffered = 0;
        self.parts += 1;
        let multipart = match &mut self.upload {
            Some(multipart) => multipart,
            none => {
                let upload = self.objects.put_multipart(self.path).await.map_err(Error::storage)?;
                none.insert(Multipart { upload, in_flight: FuturesUnordered::new() })
            }
        };
        while multipart.in_flight.len() >= IN_FLIGHT {
            multipart.wait_for_one().await?;
        }
        let part = multipart.upload.put_part(payload);
        multipart.in_flight.push(Box::pin(async move {
            let _promise = promise;
            part.await
        }));
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        if self.upload.is_none() {
            let _promise = self.tuning.disk_reserve.take(self.buffered as u64)?;
            let payload = PutPayload::from_iter(std::mem::take(&mut self.part));
            return self.objects.put(self.path, payload).await.map(drop).map_err(Error::storage);
        }
        if self.buffered > 0 {
            self.flush().await?;
        }
        let Some(multipart) = &mut self.upload else { return Ok(()) };
        while !multipart.in_flight.is_empty() {
            multipart.wait_for_one().await?;
        }
        multipart.upload.complete().await.map(drop).map_err(Error::storage)
    }

    /// Cancels the upload, so that the backend keeps nothing of it, and returns the error.
    async fn abort(&mut self, reason: Error) -> Error {
        if let Some(multipart) = &mut self.upload {
            multipart.in_flight.clear();
            if let Err(error) = multipart.upload.abort().await {
                tracing::debug!(%error, "an unfinished segment is left to the sweep");
            }
        }
        reason
    }
}

impl Multipart {
    async fn wait_for_one(&mut self) -> Result<()> {
        self.in_flight.next().await.unwrap_or(Ok(())).map_err(Error::storage)
    }
}
