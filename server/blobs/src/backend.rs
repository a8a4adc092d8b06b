//! Which backend, and how it is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::Tuning;

/// Where the blobs are.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A directory of this machine.
    Local(PathBuf),
    /// A bucket of S3 or of a store that speaks its API.
    S3(S3),
}

/// An S3 bucket. Without keys the environment's credentials are used, workload identity among them.
#[derive(Clone)]
pub struct S3 {
    /// The bucket, which must exist.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Another endpoint than AWS's, with its scheme.
    pub endpoint: Option<String>,
    /// Access key and secret key.
    pub keys: Option<(String, String)>,
    /// Keys begin with this.
    pub prefix: Option<String>,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// Accept any certificate: for tests alone.
    pub skip_verify: bool,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why a backend could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or written to.
    #[error("storage.rootDirectory {path}: {source}; name a directory that this user can write to")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A setting that the backend refuses.
    #[error("storage.storageDriver: {0}")]
    Settings(#[from] object_store::Error),
}

const MIB: usize = 1024 * 1024;

/// Requests are given up and answered 503 after this long, so that a dead backend does not hold up clients.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// A backend that sends nothing for this long is dead. There is no limit on a whole request: a slow client may take
/// hours over a large blob.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

impl Backend {
    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Tuning), OpenError> {
        match self {
            Self::Local(root) => {
                let directory = |source| OpenError::Directory { path: root.clone(), source };
                std::fs::create_dir_all(root).map_err(directory)?;
                let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(true);
                // object_store reads files in pieces of 8 KiB, one thread hop each; windows make that 1 MiB
                Ok((Arc::new(store), Tuning { part: MIB, window: Some(MIB as u64), root: Some(root.clone()) }))
            }
            Self::S3(s3) => Ok((s3.open()?, Tuning { part: 8 * MIB, window: None, root: None })),
        }
    }
}

/// With these keys; temporary ones from the environment bring their session token along.
fn keyed(access: &str, secret: &str) -> AmazonS3Builder {
    let builder = AmazonS3Builder::new().with_access_key_id(access).with_secret_access_key(secret);
    match (std::env::var("AWS_ACCESS_KEY_ID"), std::env::var("AWS_SESSION_TOKEN")) {
        (Ok(id), Ok(token)) if id == access && !token.is_empty() => builder.with_token(token),
        _ => builder,
    }
}

impl S3 {
    fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        let client = ClientOptions::new()
            .with_allow_http(true)
            .with_allow_invalid_certificates(self.skip_verify)
            .with_timeout_disabled()
            .with_connect_timeout(Duration::from_secs(5))
            .with_read_timeout(READ_TIMEOUT);
        let retry = RetryConfig { max_retries: 4, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let mut builder = match &self.keys {
            Some((access, secret)) => keyed(access, secret),
            None => AmazonS3Builder::from_env(),
        };
        builder = builder
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build()?;
        Ok(match &self.prefix {
            Some(prefix) => Arc::new(PrefixStore::new(store, prefix.as_str())),
            None => Arc::new(store),
        })
    }
}
