//! The definition is what the types say: same defaults, small enough, in order.

#![expect(clippy::unwrap_used, reason = "test code")]

use serde_json::{Map, Value, json};
use zot_crds::ZotArtifactStoreSpec;
use zot_crds::definition::definition;
use zot_crds::status::{ConditionType, Reason};

fn schema() -> Value {
    let definition = serde_json::to_value(definition()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Fills defaults in as the API server does.
fn defaulted(schema: &Value, value: &mut Value) {
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object_mut()) {
        for (name, schema) in properties {
            if !object.contains_key(name) && !schema["default"].is_null() {
                object.insert(name.clone(), schema["default"].clone());
            }
            if let Some(value) = object.get_mut(name) {
                defaulted(schema, value);
            }
        }
    }
    if let (Some(list), true) = (value.as_array_mut(), schema["items"].is_object()) {
        list.iter_mut().for_each(|item| defaulted(&schema["items"], item));
    }
}

#[test]
fn an_empty_spec_means_the_same_to_the_api_server_and_to_the_operator() {
    let mut empty = Value::Object(Map::new());
    defaulted(&schema()["properties"]["spec"], &mut empty);
    let read: ZotArtifactStoreSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!(read, ZotArtifactStoreSpec::default());
    assert_eq!(empty, serde_json::to_value(&read).unwrap());
    for part in [
        json!({"storage": {"type": "s3", "s3": {"bucket": "blobs", "accessKeySecret": {"name": "keys"}}}}),
        json!({"database": {"type": "postgres", "cluster": {}}}),
        json!({"rbac": {"issuers": [{"name": "one", "issuer": "https://one", "audiences": ["a"]}]}}),
    ] {
        let mut filled = part.clone();
        defaulted(&schema()["properties"]["spec"], &mut filled);
        let read: ZotArtifactStoreSpec = serde_json::from_value(part).unwrap();
        assert_eq!(filled, serde_json::to_value(&read).unwrap());
    }
}

/// `kubectl apply` keeps it a second time in an annotation of 256 KiB at most.
#[test]
fn it_is_small_enough_for_every_client() {
    let size = serde_json::to_string(&definition()).unwrap().len();
    assert!(size < 128 * 1024, "{size} bytes");
}

#[test]
fn each_rule_says_what_to_do() {
    let mut rules = 0;
    walk(&schema(), &mut |schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            rules += 1;
            assert!(rule["message"].as_str().is_some_and(|message| message.len() > 30), "{rule}");
        }
    });
    assert!(rules > 15, "{rules} rules");
}

#[test]
fn each_field_is_described() {
    walk(&schema()["properties"]["spec"], &mut |schema| {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            assert!(field["description"].is_string() || field["x-kubernetes-int-or-string"] == true, "{name}: {field}");
        }
    });
}

/// Below Kubernetes' own types nothing is looked at.
fn walk(schema: &Value, look: &mut impl FnMut(&Value)) {
    look(schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if !["affinity", "tolerations", "conditions"].contains(&name.as_str()) {
            walk(field, look);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], look);
    }
}

#[test]
fn words_are_unique_and_in_camel_case() {
    let types = ConditionType::ALL.iter().map(|it| it.as_str());
    let reasons: Vec<&str> = Reason::ALL.iter().map(|it| it.as_str()).collect();
    let mut sorted = reasons.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), reasons.len());
    for word in types.chain(reasons) {
        assert!(
            word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphabetic()),
            "{word}"
        );
    }
}
