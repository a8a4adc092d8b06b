//! Tests without a cluster: snapshots of the samples' objects, every field, every key of the server's configuration.

mod diagnostics;
mod fence;
mod fields;
mod keys;
mod random;
mod status;

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use serde_json::{Value, json};
use zot_crds::ZotArtifactStore;

use crate::build::{Child, build, dependencies};
use crate::error::StoreRefusal;
use crate::facts::Facts;
use crate::kinds::{Apis, ObjectKind};
use crate::references::{InputKind, references};
use crate::validate::{check_names, check_references, check_retained, validate};

/// A resource with this spec, as the API server returns it.
fn resource(spec: &Value) -> ZotArtifactStore {
    let document = json!({
        "apiVersion": "artifact.zotregistry.io/v1alpha1",
        "kind": "ZotArtifactStore",
        "metadata": { "name": "store", "namespace": "team", "uid": "11111111-2222-3333-4444-555555555555", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(document).unwrap()
}

/// Everything that the resource refers to exists, and the cluster has every optional API.
fn facts(resource: &ZotArtifactStore) -> Facts {
    let values =
        |keys: &[String]| keys.iter().map(|key| (key.clone(), format!("value of {key}").into_bytes())).collect();
    let inputs = references(resource).into_iter().map(|it| ((it.kind, it.name.clone()), Some(values(&it.keys))));
    Facts {
        apis: Apis::new(ObjectKind::ALL.iter().copied().filter(|kind| kind.is_optional()), false),
        server_image: "registry.example.com:5000/zot-artifact-store:1.2.3".to_owned(),
        inputs: inputs.collect(),
        admin: ("admin".to_owned(), "generated".to_owned()),
        master_key: "master".to_owned(),
        master_key_lost: false,
        admin_key_missing: false,
        deployment: None,
        volume: None,
        database: None,
    }
}

fn built(resource: &ZotArtifactStore, facts: &Facts) -> Result<Vec<Child>, StoreRefusal> {
    let store = validate(resource, facts)?;
    check_references(&store)?;
    Ok([dependencies(&store), build(&store)].concat())
}

fn made(spec: &Value) -> Result<Vec<Child>, StoreRefusal> {
    let resource = resource(spec);
    built(&resource, &facts(&resource))
}

/// The documents by kind and name.
fn documents(spec: &Value) -> BTreeMap<String, Value> {
    let made = made(spec).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
    made.into_iter().map(|child| (format!("{} {}", child.kind.as_str(), child.name), child.document)).collect()
}

fn sample(text: &str) -> Value {
    let store: Value = serde_saphyr::from_str(text).unwrap();
    store["spec"].clone()
}

#[test]
fn a_minimal_store() {
    insta::assert_json_snapshot!(documents(&sample(include_str!("../../config/samples/stores/minimal.yaml"))));
}

#[test]
fn a_store_for_production() {
    insta::assert_json_snapshot!(documents(&sample(include_str!("../../config/samples/stores/production.yaml"))));
}

#[test]
fn the_servers_configuration_is_one_that_the_server_takes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples/stores");
    let mut samples = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let documents = documents(&sample(&std::fs::read_to_string(entry.unwrap().path()).unwrap()));
        let file = documents["ConfigMap store-config"]["data"]["config.yaml"].as_str().unwrap();
        let path = std::env::temp_dir().join(format!("zot-operator-{}.yaml", crate::ambient::random_id()));
        std::fs::write(&path, file).unwrap();
        let sources = zot_settings::Sources { file: Some(path.clone()), ..zot_settings::Sources::default() };
        let loaded = zot_settings::load(&sources);
        std::fs::remove_file(path).unwrap();
        loaded.unwrap();
        samples += 1;
    }
    assert!(samples >= 6, "{samples} samples");
}

/// Names become part of request URLs. The definition refuses invalid names, but a resource may be older than the rule.
#[test]
fn invalid_names_are_refused() {
    let named = |name: &str| resource(&json!({ "auth": { "keySecret": name } }));
    for name in ["?watch=true", "?limit=500", "a/b", "../../x", "a b", "", "-a", "a.", "A", &"a".repeat(254)] {
        let refusal = check_names(&named(name)).unwrap_err();
        assert_eq!(refusal.reason.as_str(), "InvalidSpec", "{name}");
        assert!(refusal.message.contains("auth.keySecret"), "{refusal:?}");
    }
    for name in ["a", "keys.of-store-1", &"a".repeat(253)] {
        check_names(&named(name)).unwrap();
    }
}

#[test]
fn lost_data_is_not_replaced() {
    let postgres = json!({
        "storage": {"type": "s3", "s3": {"bucket": "blobs"}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
    });
    let cluster =
        json!({"storage": {"type": "s3", "s3": {"bucket": "blobs"}}, "database": {"type": "postgres", "cluster": {}}});
    let refused = |spec: &Value, change: fn(&mut Facts)| {
        let resource = resource(spec);
        let mut facts = facts(&resource);
        change(&mut facts);
        let store = validate(&resource, &facts).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
        check_retained(&store).err().map(|refusal| refusal.reason.as_str())
    };
    let ran = |facts: &mut Facts| facts.deployment = Some(k8s_openapi::api::apps::v1::Deployment::default());
    assert_eq!(refused(&postgres, |_| {}), None);
    assert_eq!(refused(&postgres, |facts| facts.master_key_lost = true), Some("MasterKeyMissing"));
    assert_eq!(refused(&postgres, |facts| facts.admin_key_missing = true), Some("SecretKeyMissing"));
    assert_eq!(refused(&postgres, ran), None, "the store has no volume");
    assert_eq!(refused(&cluster, |_| {}), None);
    assert_eq!(refused(&cluster, ran), Some("DatabaseLost"));
    assert_eq!(refused(&json!({}), |_| {}), None);
    assert_eq!(refused(&json!({}), ran), Some("VolumeLost"));
    // while the claim is being deleted, the server that uses it must keep running
    let terminating = |facts: &mut Facts| {
        facts.deployment = Some(k8s_openapi::api::apps::v1::Deployment::default());
        facts.volume =
            serde_json::from_value(json!({ "metadata": { "deletionTimestamp": "2026-11-27T12:00:00Z" } })).unwrap();
    };
    assert_eq!(refused(&json!({}), terminating), Some("VolumeLost"));
}

/// Invalid keys are reported before any server is stopped for them.
#[test]
fn invalid_keys_are_refused() {
    let refused = |spec: &Value, secret: &str, values: &[(&str, &str)]| {
        let resource = resource(spec);
        let mut facts = facts(&resource);
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        facts.inputs.insert((InputKind::Secret, secret.to_owned()), Some(values));
        let store = validate(&resource, &facts).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
        check_retained(&store).err().map(|refusal| (refusal.reason.as_str(), refusal.message.contains(secret)))
    };
    let admin = json!({"rbac": {"adminSecret": {"name": "chief"}}});
    let keys = json!({"auth": {"keySecret": "masters"}});
    let long = "0123456789abcdef0123456789abcdef";
    for (spec, secret, values, refuses) in [
        (&admin, "chief", vec![("access-key", "a"), ("secret-key", "12345678")], false),
        (&admin, "chief", vec![("access-key", "a"), ("secret-key", "1234567")], true),
        (&admin, "chief", vec![("access-key", "a:b"), ("secret-key", "12345678")], true),
        (&keys, "masters", vec![("keys", long)], false),
        // keys after the first one may have another form: the first one is in use
        (&keys, "masters", vec![("keys", "0123456789abcdef0123456789abcdef\nan old secret")], false),
        (&keys, "masters", vec![("keys", "short")], true),
    ] {
        let found = refused(spec, secret, &values);
        assert_eq!(found, refuses.then_some(("SecretInvalid", true)), "{values:?}");
    }
}

/// A resource from before the definition had the rule.
#[test]
fn an_empty_volume_is_refused() {
    let nothing = json!({"storage": {"size": "0Gi"}, "database": {"embedded": {"storageSize": "0Gi"}}});
    assert_eq!(made(&nothing).unwrap_err().reason.as_str(), "InvalidSpec");
}

#[test]
fn a_missing_secret_or_key_is_named() {
    let resource = resource(&json!({
        "storage": {"type": "s3", "s3": {"bucket": "blobs", "accessKeySecret": {"name": "keys"}}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
    }));
    let mut facts = facts(&resource);
    built(&resource, &facts).unwrap();
    let secret = |name: &str| (InputKind::Secret, name.to_owned());
    facts.inputs.insert(secret("db"), None);
    let refusal = built(&resource, &facts).unwrap_err();
    assert_eq!(refusal.reason.as_str(), "SecretNotFound");
    assert!(refusal.message.contains("team/db") && refusal.message.contains("username and password"), "{refusal:?}");
    facts.inputs.insert(secret("keys"), Some(BTreeMap::from([("access-key".to_owned(), b"x".to_vec())])));
    let refusal = built(&resource, &facts).unwrap_err();
    assert_eq!(refusal.reason.as_str(), "SecretKeyMissing");
    assert!(refusal.message.contains("secret-key"), "{refusal:?}");
}

#[test]
fn only_secrets_contain_secrets() {
    let spec = sample(include_str!("../../config/samples/stores/production.yaml"));
    for (name, document) in documents(&spec) {
        let text = document.to_string();
        assert!(
            name.starts_with("Secret ") || !text.contains("value of") && !text.contains("generated"),
            "{name}: {text}"
        );
    }
}

#[test]
fn a_password_may_contain_any_character() {
    let resource = resource(&json!({
        "storage": {"type": "s3", "s3": {"bucket": "blobs"}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
    }));
    let mut facts = facts(&resource);
    let values = [("username", "a@b"), ("password", "p:/?#[]@! $&'\"%\n")];
    let values = values.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    facts.inputs.insert((InputKind::Secret, "db".to_owned()), Some(values.into()));
    let made = built(&resource, &facts).unwrap();
    let secret = made.iter().find(|child| child.name == "store-database").unwrap();
    let url = secret.document["data"]["url"].as_str().unwrap();
    let url = String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, url).unwrap()).unwrap();
    assert_eq!(url, "postgres://a%40b:p%3A%2F%3F%23%5B%5D%40%21%20%24%26%27%22%25@db:5432/zot");
}

#[test]
fn images_are_named_as_asked() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (image, expected) in [
        (json!({}), "registry.example.com:5000/zot-artifact-store:1.2.3".to_owned()),
        (json!({"tag": "9"}), "registry.example.com:5000/zot-artifact-store:9".to_owned()),
        (json!({"repository": "r/x"}), "r/x:1.2.3".to_owned()),
        (json!({"repository": "r/x", "tag": "9"}), "r/x:9".to_owned()),
        (json!({"tag": "9", "digest": digest}), format!("registry.example.com:5000/zot-artifact-store@{digest}")),
    ] {
        let documents = documents(&json!({ "image": image }));
        let found = &documents["Deployment store"]["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(found, expected.as_str(), "{image}");
    }
}

/// A generated key that is not used must not replace servers.
#[test]
fn the_same_resource_gives_the_same_servers() {
    for spec in [
        json!({"rbac": {"adminSecret": {"name": "chief"}}}),
        json!({"rbac": {"enabled": false}}),
        json!({
            "storage": {"type": "s3", "s3": {"bucket": "blobs"}}, "auth": {"keySecret": "keys"},
            "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
            "rbac": {"adminSecret": {"name": "chief"}},
        }),
    ] {
        let resource = resource(&spec);
        let (mut facts, before) = (facts(&resource), facts(&resource));
        facts.admin = ("admin".to_owned(), "another".to_owned());
        facts.master_key = "another".to_owned();
        assert_eq!(built(&resource, &facts).unwrap(), built(&resource, &before).unwrap(), "{spec}");
    }
}

/// Until the autoscaler owns the number of servers, the operator applies the current number.
#[test]
fn the_number_of_servers_is_handed_over_to_an_autoscaler() {
    let resource = resource(&json!({
        "replicas": 3,
        "storage": {"type": "s3", "s3": {"bucket": "blobs"}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
        "autoscaling": {"enabled": true, "minReplicas": 2},
    }));
    let mut facts = facts(&resource);
    let replicas = |facts: &Facts| {
        let made = built(&resource, facts).unwrap();
        made.iter().find(|child| child.kind == ObjectKind::Deployment).unwrap().document["spec"]["replicas"].clone()
    };
    assert_eq!(replicas(&facts), json!(3));
    let live = |manager: &str, subresource: Option<&str>| {
        serde_json::from_value(json!({
            "metadata": { "managedFields": [{
                "manager": manager, "subresource": subresource, "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }] },
            "spec": { "replicas": 5, "selector": {}, "template": {} },
        }))
        .unwrap()
    };
    facts.deployment = live("zot-artifact-store-operator", None);
    assert_eq!(replicas(&facts), json!(5));
    facts.deployment = live("kube-controller-manager", Some("scale"));
    assert_eq!(replicas(&facts), Value::Null);
    assert_eq!(resource.name_any(), "store");
}
