//! Buckets and their objects, for the S3 API. Each use case is in the file of its verb.
//!
//! A bucket is a namespace. An object version points at one blob, and so at one OCI manifest ([`render`]); the OCI API
//! serves it from the bucket's own repository.

pub mod access;
pub mod config;
pub mod copy;
pub mod delete;
pub mod digest;
pub mod get;
pub mod list;
pub mod multipart;
pub mod put;

use std::sync::Arc;

use zot_core::Invalid;
use zot_core::action::Action;
use zot_core::object_key::KEY_MAX;
use zot_core::policy::{Context, Operation, Resource};

use crate::access::Access;
use crate::authorizer::Authorizer;
use crate::call::Call;
use crate::error::Result;
use crate::ports::blobs::{BlobWrites, Blobs};
use crate::ports::metadata::PushRights;
use crate::ports::objects::Objects;
use crate::read::ReadGate;

/// The use cases on buckets and objects. Cheap to clone and stateless.
#[derive(Clone)]
pub struct Buckets {
    objects: Arc<dyn Objects>,
    blobs: Arc<dyn BlobWrites>,
    gate: ReadGate,
    authorizer: Authorizer,
    access: Access,
}

impl Buckets {
    pub fn new(objects: Arc<dyn Objects>, blobs: Arc<dyn Blobs>, access: Access) -> Self {
        let authorizer = access.authorizer().clone();
        let gate = ReadGate::new(authorizer.clone(), Arc::clone(&blobs) as _);
        Self { objects, blobs, gate, authorizer, access }
    }

    /// Whether anonymous callers may write anywhere. If not, they are refused before a document is parsed.
    ///
    /// # Errors
    /// Denied by policy.
    pub fn require_some_write(&self, call: &Call) -> Result<()> {
        self.authorizer.require_some_write(call)
    }

    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    fn require(&self, call: &Call, operation: Operation, action: Action, resource: Resource<'_>) -> Result<()> {
        let context = Context { operation: Some(operation), ..call.context() };
        self.authorizer.require_in(call, action, resource, &context)
    }

    /// Requires the right to list keys with this prefix. No key has a longer one than a key may have.
    fn require_list(&self, call: &Call, operation: Operation, bucket: &str, prefix: &str) -> Result<()> {
        if prefix.len() > KEY_MAX {
            return Err(Invalid::KeyTooLong.into());
        }
        // listing without a prefix is the same as with an empty one
        let context = Context { operation: Some(operation), list_prefix: Some(prefix), ..call.context() };
        self.authorizer.require_in(call, Action::List, Resource::Bucket(bucket), &context)
    }

    /// The rights of a put. Create and update are separate rights; the head row decides which one it is.
    fn put_rights(&self, call: &Call, operation: Operation, bucket: &str, key: &str) -> Result<PushRights> {
        let object = Resource::Object(bucket, key);
        let context = Context { operation: Some(operation), ..call.context() };
        let may = |action| self.authorizer.decide(&call.principal, action, object, &context).allowed;
        let rights = PushRights { create_namespace: false, create: may(Action::Create), update: may(Action::Update) };
        if !rights.create && !rights.update {
            self.require(call, operation, Action::Create, object)?;
        }
        Ok(rights)
    }
}
