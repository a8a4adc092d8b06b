//! Artifacts: names, digests and manifests, and the use cases on them, one file a verb.

pub(crate) mod body;
mod delete;
pub mod list;
pub mod publish;
pub mod read;
pub mod upload;

use std::sync::Arc;

use zot_core::action::Action;
use zot_core::name::RepositoryName;
use zot_core::policy::Resource;

use crate::authorizer::Engine;
use crate::call::Call;
use crate::error::Result;
use crate::ports::blobs::Blobs;
use crate::ports::metadata::{Audit, Metadata, PushRights};

/// The use cases. Cheap to clone; holds no state of its own, so that any replica serves any request.
#[derive(Clone)]
pub struct Artifacts {
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn Blobs>,
    policy: Engine,
}

impl Artifacts {
    /// Use cases over these ports.
    pub fn new(metadata: Arc<dyn Metadata>, blobs: Arc<dyn Blobs>, policy: Engine) -> Self {
        Self { metadata, blobs, policy }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Engine {
        &self.policy
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn probe_metadata(&self) -> Result<()> {
        self.metadata.probe().await
    }

    /// Whether the blob storage answers.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn probe_storage(&self) -> Result<()> {
        self.blobs.probe().await
    }

    /// Whether database and blob storage have room for more.
    pub fn has_room(&self) -> bool {
        !self.blobs.is_short() && self.metadata.admit().is_ok()
    }

    fn require(&self, call: &Call, action: Action, repository: &RepositoryName) -> Result<()> {
        self.policy.require(call, action, Resource::Repository(repository))
    }

    /// What the database came to, with the rights that it was given: a denial is one of policy too.
    fn told<T>(&self, call: &Call, rights: PushRights, repository: &RepositoryName, outcome: Result<T>) -> Result<T> {
        self.policy.told(call, rights, Resource::Repository(repository), outcome)
    }

    /// What a push may make. Making the namespace is decided on the namespace, and by the principal's own rights:
    /// a token's scope names the repository alone.
    fn push_rights(&self, call: &Call, repository: &RepositoryName) -> Result<PushRights> {
        let namespace: RepositoryName = repository.namespace().parse()?;
        let unbound = call.unbound();
        let may = |action| self.policy.allows(call, action, Resource::Repository(repository));
        Ok(PushRights {
            create_namespace: self.policy.allows(&unbound, Action::Create, Resource::Repository(&namespace)),
            create: may(Action::Create),
            update: may(Action::Update),
        })
    }
}

/// The audit row of a call that changes something.
pub fn audit(call: &Call, action: &'static str, resource: String) -> Audit {
    Audit {
        request_id: call.request_id,
        actor: call.principal.subject.clone(),
        action,
        resource,
        request: call.request_id,
        origin: call.origin,
        agent: call.agent.clone(),
    }
}
