//! An object that the operator applies, with the metadata that all of them have.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Value, json};

use crate::kinds::ObjectKind;
use crate::labels::{COMPONENT, common, selector};
use crate::validate::ValidSpec;

/// An object of a store, as JSON: server-side apply owns the fields that are sent, and no others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    pub(crate) kind: ObjectKind,
    pub(crate) name: String,
    pub(crate) document: Value,
}

impl Child {
    /// Whether the object holds a generated key, which must never replace another one.
    pub(crate) fn is_created_once(&self) -> bool {
        self.kind == ObjectKind::Secret && self.document["metadata"]["ownerReferences"].is_null()
    }

    pub(super) fn annotated(mut self, annotations: &BTreeMap<String, String>) -> Self {
        if !annotations.is_empty() {
            self.document["metadata"]["annotations"] = json!(annotations);
        }
        self
    }

    pub(super) fn with_component(mut self, component: &str) -> Self {
        self.document["metadata"]["labels"][COMPONENT] = json!(component);
        self
    }
}

/// An object that Kubernetes deletes with the resource. `body` is a typed object, or JSON for kinds that are not built in.
pub(super) fn owned(store: &ValidSpec<'_>, kind: ObjectKind, name: &str, body: impl Serialize) -> Child {
    child(store, kind, name, Some(vec![store.owner.clone()]), body)
}

/// An object that stays when the resource is deleted.
pub(super) fn retained(store: &ValidSpec<'_>, kind: ObjectKind, name: &str, body: impl Serialize) -> Child {
    child(store, kind, name, None, body)
}

fn child(
    store: &ValidSpec<'_>,
    kind: ObjectKind,
    name: &str,
    owner_references: Option<Vec<OwnerReference>>,
    body: impl Serialize,
) -> Child {
    let resource = kind.resource();
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(store.namespace.clone()),
        labels: Some(common(&store.name)),
        owner_references,
        ..ObjectMeta::default()
    };
    // only maps whose keys are no strings cannot be serialized, and Kubernetes has none
    let mut document = serde_json::to_value(body).unwrap_or_default();
    document["apiVersion"] = json!(resource.api_version);
    document["kind"] = json!(resource.kind);
    document["metadata"] = json!(metadata);
    Child { kind, name: name.to_owned(), document }
}

/// Selects the servers' pods.
pub(super) fn servers(store: &ValidSpec<'_>) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(&store.name)), ..LabelSelector::default() }
}

/// An enum's variant, as it is written in JSON.
pub(super) fn word(variant: &impl Serialize) -> String {
    json!(variant).as_str().unwrap_or_default().to_owned()
}
