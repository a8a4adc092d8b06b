//! The backends and how they are opened. Each kind has a file; this one has the code that they share.

mod azure;
mod gcs;
mod local;
mod s3;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::disk_reserve::DiskReserve;
use crate::tuning::Tuning;

pub use azure::Azure;
pub use gcs::Gcs;
pub use s3::S3;

/// The place of the blobs.
#[derive(Clone, Debug)]
pub enum Backend {
    Local(PathBuf),
    /// A bucket of S3 or a compatible server.
    S3(S3),
    /// A bucket of Google Cloud Storage.
    Gcs(Gcs),
    /// A container of Azure Blob Storage.
    Azure(Azure),
}

/// The backend's name in messages.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, endpoint) = match self {
            Self::Local(root) => (root.display().to_string(), &None),
            Self::S3(s3) => (format!("s3://{}", s3.bucket), &s3.endpoint),
            Self::Gcs(gcs) => (format!("gs://{}", gcs.bucket), &gcs.endpoint),
            Self::Azure(azure) => (format!("azure://{}/{}", azure.account, azure.container), &azure.endpoint),
        };
        f.write_str(&name)?;
        endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
    }
}

/// Why a backend could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created or written to.
    #[error("storage.rootDirectory {path}: {source}; name a directory that this user can write to")]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// An invalid file with credentials.
    #[error("storage.storageDriver.keyfile {path}: {problem}")]
    KeyFile {
        path: PathBuf,
        /// The problem and the remedy.
        problem: String,
    },
    /// A key of an Azure account that is not Base64.
    #[error(
        "storage.storageDriver.accountkey (or AZURE_STORAGE_ACCOUNT_KEY) is not a key of an account: {0}; copy the key that \
         `az storage account keys list` shows"
    )]
    AccountKey(#[source] object_store::Error),
    /// A setting that the backend refuses.
    #[error("storage.storageDriver: {0}")]
    Settings(#[from] object_store::Error),
}

const MIB: usize = 1024 * 1024;

/// A request that fails for this long is answered 503, so that clients do not wait for a dead backend.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// A backend that sends nothing for this long is dead. There is no limit on a whole request: a slow client may take
/// hours over a large blob.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

impl Backend {
    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Tuning), OpenError> {
        // parts of a cloud's uploads are of 5 MiB or more
        let cloud = Tuning { part: 8 * MIB, root: None, disk_reserve: DiskReserve::default() };
        match self {
            Self::Local(root) => local::open(root),
            Self::S3(s3) => Ok((s3.open()?, cloud)),
            Self::Gcs(gcs) => Ok((gcs.open()?, cloud)),
            Self::Azure(azure) => Ok((azure.open()?, cloud)),
        }
    }
}

/// Options of the connections to all clouds.
fn client(skip_verify: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_allow_invalid_certificates(skip_verify)
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(5))
        .with_read_timeout(READ_TIMEOUT)
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

/// Adds a prefix to all keys, if there is one.
fn below(prefix: Option<&str>, store: impl ObjectStore) -> Arc<dyn ObjectStore> {
    match prefix {
        Some(prefix) => Arc::new(PrefixStore::new(store, prefix)),
        None => Arc::new(store),
    }
}

#[cfg(test)]
mod tests;
