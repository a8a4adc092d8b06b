//! Amazon S3 and compatible servers.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;

use super::{OpenError, below, client, retry};

/// An S3 bucket. Without keys, the environment's credentials are used, such as workload identity.
#[derive(Clone)]
pub struct S3 {
    /// The bucket, which must exist.
    pub bucket: String,
    pub region: String,
    /// The endpoint with its scheme, if it is not AWS's.
    pub endpoint: Option<String>,
    /// Access key and secret key.
    pub keys: Option<(String, String)>,
    /// Prefix of all keys.
    pub prefix: Option<String>,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// Accept any certificate. For tests only.
    pub skip_verify: bool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Adds keys. Temporary keys from the environment come with their session token.
fn keyed(access: &str, secret: &str) -> AmazonS3Builder {
    let builder = AmazonS3Builder::new().with_access_key_id(access).with_secret_access_key(secret);
    match (std::env::var("AWS_ACCESS_KEY_ID"), std::env::var("AWS_SESSION_TOKEN")) {
        (Ok(id), Ok(token)) if id == access && !token.is_empty() => builder.with_token(token),
        _ => builder,
    }
}

impl S3 {
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        let mut builder = match &self.keys {
            Some((access, secret)) => keyed(access, secret),
            None => AmazonS3Builder::from_env(),
        };
        builder = builder
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(client(self.skip_verify))
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(below(self.prefix.as_deref(), builder.build()?))
    }
}
