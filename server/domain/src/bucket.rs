//! Buckets and their objects: the S3 door's nouns, and the use cases on them, one file a verb.
//!
//! A bucket is a namespace; an object version points at one blob, and so at one OCI manifest ([`render`]), by which
//! the OCI door serves it from the bucket's own repository.

pub mod condition;

pub mod access;
pub mod config;
pub mod copy;
pub mod delete;
pub mod get;
pub mod list;
pub mod multipart;
pub mod put;
pub mod seal;

use std::sync::Arc;

use zot_core::action::Action;
use zot_core::policy::{Context, Operation, Resource};
use zot_core::principal::Principal;

use crate::access::Access;
use crate::authorizer::Engine;
use crate::call::{Agent, Call, Origin, RequestId};
use crate::error::Result;
use crate::ports::blobs::Blobs;
use crate::ports::metadata::PushRights;
use crate::ports::objects::Objects;

/// The use cases on buckets and objects. Cheap to clone; holds no state of its own.
#[derive(Clone)]
pub struct Buckets {
    objects: Arc<dyn Objects>,
    blobs: Arc<dyn Blobs>,
    policy: Engine,
    access: Access,
}

impl Buckets {
    /// Use cases over these ports, and over those of who may do what.
    pub fn new(objects: Arc<dyn Objects>, blobs: Arc<dyn Blobs>, access: Access) -> Self {
        Self { objects, blobs, policy: access.engine().clone(), access }
    }

    /// Whether the anonymous may change anything somewhere: where not, they are refused before a document is read.
    ///
    /// # Errors
    /// Of policy.
    pub fn require_some_write(&self, call: &Call) -> Result<()> {
        self.policy.require_some_write(call)
    }

    /// What decides, for doors that refuse credentials themselves.
    pub fn policy(&self) -> &Engine {
        &self.policy
    }

    fn require(&self, call: &Call, operation: Operation, action: Action, resource: Resource<'_>) -> Result<()> {
        let context = Context { operation: Some(operation), ..call.context() };
        self.policy.require_in(call, action, resource, &context)
    }

    /// Asks for the right to list what begins so.
    fn require_list(&self, call: &Call, operation: Operation, bucket: &str, prefix: &str) -> Result<()> {
        // a list without a prefix is the same as one with an empty one
        let context = Context { operation: Some(operation), list_prefix: Some(prefix), ..call.context() };
        self.policy.require_in(call, Action::List, Resource::Bucket(bucket), &context)
    }

    /// What a put may do: create and update are distinct, and the head row decides which one it is.
    fn put_rights(&self, call: &Call, operation: Operation, bucket: &str, key: &str) -> Result<PushRights> {
        let object = Resource::Object(bucket, key);
        let context = Context { operation: Some(operation), ..call.context() };
        let may = |action| self.policy.decide(&call.principal, action, object, &context).allowed;
        let rights = PushRights { create_namespace: false, create: may(Action::Create), update: may(Action::Update) };
        if !rights.create && !rights.update {
            self.require(call, operation, Action::Create, object)?;
        }
        Ok(rights)
    }
}

impl Call {
    /// A call of the store itself, for a background task.
    pub fn system(reason: &str) -> Self {
        let subject = format!("system:{reason}");
        let principal = Principal::break_glass(&subject);
        Self { principal, request_id: RequestId::new(), origin: Origin::default(), agent: Agent::default() }
    }
}
