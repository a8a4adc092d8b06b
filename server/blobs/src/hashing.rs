//! Hashing beside the I/O: a batch is hashed on a blocking thread while the next one arrives.

use bytes::Bytes;
use tokio::task::JoinHandle;
use zot_core::hash::{Hasher, ObjectHasher};
use zot_domain::{Error, Result};

/// Size of a batch for the other thread, in bytes. Less than that is hashed in place within microseconds.
pub(crate) const BATCH: usize = 1024 * 1024;
const IN_PLACE: usize = 64 * 1024;

/// A hasher, which may be running.
pub(crate) enum HashTask {
    Idle(Box<Hasher>),
    Busy(JoinHandle<Hasher>, Option<JoinHandle<ObjectHasher>>),
}

impl HashTask {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self::Idle(Box::new(hasher))
    }

    /// Waits for the previous batch and hands over this one, so that at most two batches are in memory.
    pub(crate) async fn feed(self, batch: Vec<Bytes>) -> Result<Self> {
        let mut hasher = self.finish().await?;
        // MD5 is three times slower than SHA-256 with its instructions: each has a thread of its own
        let object = hasher.split_object().map(|mut object| {
            let batch = batch.clone();
            tokio::task::spawn_blocking(move || {
                batch.iter().for_each(|bytes| object.update(bytes));
                object
            })
        });
        let digest = tokio::task::spawn_blocking(move || {
            batch.iter().for_each(|bytes| hasher.update(bytes));
            hasher
        });
        Ok(Self::Busy(digest, object))
    }

    /// Hashes the last batch, which may be small.
    pub(crate) async fn last(self, batch: Vec<Bytes>) -> Result<Hasher> {
        if batch.iter().map(Bytes::len).sum::<usize>() > IN_PLACE {
            return self.feed(batch).await?.finish().await;
        }
        let mut hasher = self.finish().await?;
        batch.iter().for_each(|bytes| hasher.update(bytes));
        Ok(hasher)
    }

    async fn finish(self) -> Result<Hasher> {
        match self {
            Self::Idle(hasher) => Ok(*hasher),
            Self::Busy(digest, object) => {
                let failed = |error| Error::Internal(format!("hashing: {error}"));
                let mut hasher = digest.await.map_err(failed)?;
                if let Some(object) = object {
                    hasher.join_object(Some(object.await.map_err(failed)?));
                }
                Ok(hasher)
            }
        }
    }
}
