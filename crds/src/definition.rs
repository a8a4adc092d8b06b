//! The `CustomResourceDefinition`, generated from the types. Long descriptions of Kubernetes' own types are removed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::{ZotArtifactStore, rule};

/// Fields whose types belong to Kubernetes.
const FOREIGN: [&str; 3] = ["affinity", "tolerations", "conditions"];

/// Default bounds: characters of a string, items of a list.
const STRING_MAX: u32 = 2048;
const LIST_MAX: u32 = 64;

/// It has to be small, because `kubectl apply` stores it a second time in an annotation.
pub fn definition() -> CustomResourceDefinition {
    let mut document = serde_json::to_value(ZotArtifactStore::crd()).unwrap_or_default();
    let root = "/spec/versions/0/schema/openAPIV3Schema/properties";
    for (part, field) in [("spec", FOREIGN[0]), ("spec", FOREIGN[1]), ("status", FOREIGN[2])] {
        if let Some(foreign) = document.pointer_mut(&format!("{root}/{part}/properties/{field}")) {
            let own = foreign.get("description").cloned();
            strip(foreign);
            if let (Some(own), Value::Object(foreign)) = (own, foreign) {
                foreign.insert("description".to_owned(), own);
            }
        }
    }
    // bounds limit the memory of a resource and the cost of its rules
    if let Some(spec) = document.pointer_mut(&format!("{root}/spec")) {
        bound(spec);
    }
    // rules about metadata belong to the whole resource
    if let Some(Value::Object(schema)) = document.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        let name = rule(
            "size(self.metadata.name) <= 40",
            "metadata.name must not exceed 40 characters: the names of the store's objects are longer and must not exceed 63",
        );
        let label = rule(
            "self.metadata.name.matches('^[a-z][-a-z0-9]*$') && !self.metadata.name.endsWith('-metrics')",
            "metadata.name has to begin with a letter, must have no dots, and must not end with -metrics: Services have this name",
        );
        schema.insert("x-kubernetes-validations".to_owned(), Value::Array(vec![name, label]));
    }
    serde_json::from_value(document).unwrap_or_else(|_| ZotArtifactStore::crd())
}

/// Adds the default bounds.
fn bound(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(bound);
    }
    let (name, most) = match object.get("type").and_then(Value::as_str) {
        Some("string") if !object.contains_key("enum") => ("maxLength", STRING_MAX),
        Some("array") => ("maxItems", LIST_MAX),
        Some("object") if object.contains_key("additionalProperties") => ("maxProperties", LIST_MAX),
        _ => return,
    };
    object.entry(name).or_insert_with(|| Value::from(most));
    object.get_mut("items").into_iter().for_each(bound);
    // annotations of an Ingress can be long
    if let Some(Value::Object(values)) = object.get_mut("additionalProperties") {
        values.entry("maxLength").or_insert_with(|| Value::from(4 * STRING_MAX));
    }
}

/// Removes descriptions, but not properties named `description`.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("description").is_some_and(Value::is_string) {
                object.remove("description");
            }
            object.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}
