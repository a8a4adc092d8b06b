//! Artifacts: names, digests and manifests. Each use case is in the file of its verb.

mod delete;
pub mod list;
pub mod publish;
pub mod read;
pub mod upload;

use std::sync::Arc;

use zot_core::action::Action;
use zot_core::name::RepositoryName;
use zot_core::policy::Resource;

use crate::authorizer::Authorizer;
use crate::call::Call;
use crate::error::{MayBeCommon, Result};
use crate::ports::blobs::{BlobWrites, Blobs};
use crate::ports::metadata::{Metadata, PushRights};
use crate::read::ReadGate;

/// The use cases. Cheap to clone. Stateless, so that any replica serves any request.
#[derive(Clone)]
pub struct Artifacts {
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn BlobWrites>,
    gate: ReadGate,
    authorizer: Authorizer,
}

impl Artifacts {
    pub fn new(metadata: Arc<dyn Metadata>, blobs: Arc<dyn Blobs>, authorizer: Authorizer) -> Self {
        let gate = ReadGate::new(authorizer.clone(), Arc::clone(&blobs) as _);
        Self { metadata, blobs, gate, authorizer }
    }

    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn probe_metadata(&self) -> Result<()> {
        self.metadata.probe().await
    }

    /// Checks that the blob storage answers.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn probe_storage(&self) -> Result<()> {
        self.blobs.probe().await
    }

    /// Whether the disk reserve of database and blob storage allows more content.
    pub fn accepts_content(&self) -> bool {
        !self.blobs.is_short() && self.metadata.admit().is_ok()
    }

    fn require(&self, call: &Call, action: Action, repository: &RepositoryName) -> Result<()> {
        self.authorizer.require(call, action, Resource::Repository(repository))
    }

    /// Logs a denial that the database decided by the caller's rights.
    fn settle<T, E: MayBeCommon>(
        &self,
        call: &Call,
        rights: PushRights,
        repository: &RepositoryName,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        self.authorizer.settle(call, rights, Resource::Repository(repository), outcome)
    }

    /// The caller's rights in a push. A token's scope names only the repository, so the right to create the namespace
    /// is decided by the principal's own rights.
    fn push_rights(&self, call: &Call, repository: &RepositoryName) -> Result<PushRights> {
        let namespace: RepositoryName = repository.namespace().parse()?;
        let unbound = call.unbound();
        let may = |action| self.authorizer.allows(call, action, Resource::Repository(repository));
        Ok(PushRights {
            create_namespace: self.authorizer.allows(&unbound, Action::Create, Resource::Repository(&namespace)),
            create: may(Action::Create),
            update: may(Action::Update),
        })
    }
}
