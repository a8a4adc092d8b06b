//! Azure Blob Storage.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;

use super::{OpenError, below, client, retry};

/// A container of Azure Blob Storage. Without a key the environment's credentials are used: workload identity, a service
/// principal, or the machine's managed identity.
#[derive(Clone)]
pub struct Azure {
    pub account: String,
    /// A key of the account, in Base64.
    pub key: Option<String>,
    /// The container, which must exist.
    pub container: String,
    /// URL of the account's blob service, if it is not Azure's public one: an emulator, or a sovereign cloud.
    pub endpoint: Option<String>,
    /// Prefix of all names.
    pub prefix: Option<String>,
    /// Accept any certificate. For tests only.
    pub skip_verify: bool,
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure")
            .field("account", &self.account)
            .field("container", &self.container)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Azure {
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        let mut builder = match &self.key {
            Some(key) => MicrosoftAzureBuilder::new().with_access_key(key),
            None => MicrosoftAzureBuilder::from_env(),
        };
        builder = builder
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_client_options(client(self.skip_verify))
            .with_retry(retry());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let store = builder.build().map_err(|error| match error {
            error if error.to_string().contains("Invalid Access Key") => OpenError::AccountKey(error),
            error => error.into(),
        })?;
        Ok(below(self.prefix.as_deref(), store))
    }
}
