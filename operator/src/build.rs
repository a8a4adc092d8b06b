//! The objects of a store, made of a resource that makes sense. Pure: the same resource gives the same objects.
//!
//! One file for each group of objects. They are written as JSON, as they go over the wire: with server-side apply the
//! operator owns the fields that it sends and no others. The API server refuses misspelt ones.

pub(crate) mod account;
pub(crate) mod exposure;
pub(crate) mod monitoring;
mod network;
pub(crate) mod preflight;
mod scaling;
pub(crate) mod servers;
mod volume;

pub(crate) mod config;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::Kind;
use crate::validate::Store;

/// Label of everything that the operator made.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub(crate) const OPERATOR: &str = "zot-artifact-store-operator";
/// Label with the store's name.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";
/// What the servers are called.
pub(crate) const APP: &str = "zot-artifact-store";

/// An object that is to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) document: Value,
}

impl Child {
    /// Whether it has what was thought up once: a key that no other one may replace.
    pub(crate) fn is_made_once(&self) -> bool {
        self.kind == Kind::Secret && self.document["metadata"]["ownerReferences"].is_null()
    }
}

/// What has to be there before anything else can be made: the database, where the operator makes it.
pub(crate) fn dependencies(store: &Store<'_>) -> Vec<Child> {
    volume::database(store).into_iter().collect()
}

/// All other objects of a store, in the order in which they are made.
pub(crate) fn build(store: &Store<'_>) -> Vec<Child> {
    let mut children = Vec::new();
    children.extend(account::children(store));
    children.extend(config::children(store));
    children.extend(volume::children(store));
    children.extend(network::children(store));
    children.push(servers::deployment(store));
    children.extend(scaling::children(store));
    children.extend(exposure::children(store));
    children.extend(monitoring::children(store));
    children.sort_by_key(|child| child.kind);
    children
}

/// Labels by which the servers are found: they never change.
pub(crate) fn selector(store: &str) -> Value {
    json!({ "app": APP, INSTANCE: store })
}

/// A hash of parts, whose borders count.
#[derive(Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// So many bytes of it, in hexadecimal.
    fn first(self, bytes: usize) -> String {
        hex::encode(&self.0.finalize()[..bytes])
    }
}

/// Labels of an object.
fn labels(store: &Store<'_>) -> Value {
    json!({
        "app": APP,
        "app.kubernetes.io/name": APP,
        INSTANCE: store.name,
        MANAGED_BY: OPERATOR,
        "app.kubernetes.io/part-of": APP,
    })
}

/// An object that goes when the resource goes.
fn child(store: &Store<'_>, kind: Kind, name: &str, rest: Value) -> Child {
    let mut child = kept(store, kind, name, rest);
    child.document["metadata"]["ownerReferences"] = json!([store.owner]);
    child
}

/// An object that stays when the resource goes.
fn kept(store: &Store<'_>, kind: Kind, name: &str, rest: Value) -> Child {
    let resource = kind.resource();
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), json!(resource.api_version));
    document.insert("kind".to_owned(), json!(resource.kind));
    let metadata = json!({ "name": name, "namespace": store.namespace, "labels": labels(store) });
    document.insert("metadata".to_owned(), metadata);
    if let Value::Object(rest) = rest {
        document.extend(rest);
    }
    Child { kind, name: name.to_owned(), document: Value::Object(document) }
}

/// The same with annotations.
fn annotated(mut child: Child, annotations: &Value) -> Child {
    if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
        child.document["metadata"]["annotations"] = annotations.clone();
    }
    child
}
