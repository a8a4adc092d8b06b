//! The definition of the custom resource, as it is installed: made of the types, and made smaller where types that are not
//! ours bring essays along.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::{ZotArtifactStore, rule};

/// Fields whose types are Kubernetes' own: what is below them is described in its reference.
const FOREIGN: [&str; 3] = ["affinity", "tolerations", "conditions"];

/// The definition. Every client that applies it keeps it a second time in an annotation, so it has to be small.
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
    // the one rule about metadata, which only the whole resource sees
    if let Some(Value::Object(schema)) = document.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        let name = rule(
            "size(self.metadata.name) <= 40",
            "metadata.name may have 40 characters at most: names of what is made for the store are longer, and have 63",
        );
        schema.insert("x-kubernetes-validations".to_owned(), Value::Array(vec![name]));
    }
    serde_json::from_value(document).unwrap_or_else(|_| ZotArtifactStore::crd())
}

/// Removes descriptions, but not a property of that name.
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
