//! What is made of resources, without a cluster: samples as snapshots, each field, each key of the server's configuration.

mod fence;
mod fields;
mod keys;
mod random;
mod status;
mod troubles;

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use serde_json::{Value, json};
use zot_crds::ZotArtifactStore;

use crate::api::{Apis, Kind};
use crate::build::{Child, build, dependencies};
use crate::facts::Facts;
use crate::references::references;
use crate::validate::{Refusal, check_kept, check_names, check_references, validate};

/// A resource with this spec, as the API server would hand it over.
fn resource(spec: &Value) -> ZotArtifactStore {
    let document = json!({
        "apiVersion": "artifact.zotregistry.io/v1alpha1",
        "kind": "ZotArtifactStore",
        "metadata": { "name": "store", "namespace": "team", "uid": "11111111-2222-3333-4444-555555555555", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(document).unwrap()
}

/// All that it refers to is there, and the cluster has every API.
fn facts(resource: &ZotArtifactStore) -> Facts {
    let values =
        |keys: &[String]| keys.iter().map(|key| (key.clone(), format!("value of {key}").into_bytes())).collect();
    let referenced = references(resource).into_iter().map(|it| ((it.source, it.name.clone()), Some(values(&it.keys))));
    Facts {
        apis: Apis::new(Kind::ALL.iter().copied().filter(|kind| kind.is_optional()), false),
        server_image: "registry.example.com:5000/zot-artifact-store:1.2.3".to_owned(),
        referenced: referenced.collect(),
        admin: ("admin".to_owned(), "generated".to_owned()),
        master: "master".to_owned(),
        master_lost: false,
        admin_unusable: false,
        deployment: None,
        volume: None,
        database: None,
    }
}

fn built(resource: &ZotArtifactStore, facts: &Facts) -> Result<Vec<Child>, Refusal> {
    let store = validate(resource, facts)?;
    check_references(&store)?;
    Ok([dependencies(&store), build(&store)].concat())
}

fn made(spec: &Value) -> Result<Vec<Child>, Refusal> {
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
        let path = std::env::temp_dir().join(format!("zot-operator-{}.yaml", uuid::Uuid::new_v4()));
        std::fs::write(&path, file).unwrap();
        let sources = zot_settings::Sources { file: Some(path.clone()), ..zot_settings::Sources::default() };
        let loaded = zot_settings::load(&sources);
        std::fs::remove_file(path).unwrap();
        loaded.unwrap();
        samples += 1;
    }
    assert!(samples >= 6, "{samples} samples");
}

/// Names go into addresses of the API server. The definition refuses what is none; a resource may be older than that.
#[test]
fn what_is_no_name_gets_into_no_address() {
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

/// What was made once, is gone, and cannot be made again.
#[test]
fn what_is_gone_is_not_made_anew() {
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
        check_kept(&store).err().map(|refusal| refusal.reason.as_str())
    };
    let ran = |facts: &mut Facts| facts.deployment = Some(k8s_openapi::api::apps::v1::Deployment::default());
    assert_eq!(refused(&postgres, |_| {}), None);
    assert_eq!(refused(&postgres, |facts| facts.master_lost = true), Some("MasterKeyMissing"));
    assert_eq!(refused(&postgres, |facts| facts.admin_unusable = true), Some("SecretKeyMissing"));
    assert_eq!(refused(&postgres, ran), None, "there is no volume to miss");
    assert_eq!(refused(&cluster, |_| {}), None);
    assert_eq!(refused(&cluster, ran), Some("DatabaseLost"));
    assert_eq!(refused(&json!({}), |_| {}), None);
    assert_eq!(refused(&json!({}), ran), Some("VolumeLost"));
    // as long as it is going, nothing ends the server that has it
    let going = |facts: &mut Facts| {
        facts.deployment = Some(k8s_openapi::api::apps::v1::Deployment::default());
        facts.volume =
            serde_json::from_value(json!({ "metadata": { "deletionTimestamp": "2026-11-27T12:00:00Z" } })).unwrap();
    };
    assert_eq!(refused(&json!({}), going), Some("VolumeLost"));
}

/// Keys by which no server would start are told before one is ended for them.
#[test]
fn keys_that_no_server_takes_are_refused() {
    let refused = |spec: &Value, secret: &str, values: &[(&str, &str)]| {
        let resource = resource(spec);
        let mut facts = facts(&resource);
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        facts.referenced.insert((crate::references::Source::Secret, secret.to_owned()), Some(values));
        let store = validate(&resource, &facts).unwrap_or_else(|refusal| unreachable!("{refusal:?}"));
        check_kept(&store).err().map(|refusal| (refusal.reason.as_str(), refusal.message.contains(secret)))
    };
    let admin = json!({"rbac": {"adminSecret": {"name": "chief"}}});
    let keys = json!({"auth": {"keySecret": "masters"}});
    let long = "0123456789abcdef0123456789abcdef";
    for (spec, secret, values, refuses) in [
        (&admin, "chief", vec![("access-key", "a"), ("secret-key", "12345678")], false),
        (&admin, "chief", vec![("access-key", "a"), ("secret-key", "1234567")], true),
        (&admin, "chief", vec![("access-key", "a:b"), ("secret-key", "12345678")], true),
        (&keys, "masters", vec![("keys", long)], false),
        // what stands behind the one in use may be what once stood for a key
        (&keys, "masters", vec![("keys", "0123456789abcdef0123456789abcdef\nan old secret")], false),
        (&keys, "masters", vec![("keys", "short")], true),
    ] {
        let found = refused(spec, secret, &values);
        assert_eq!(found, refuses.then_some(("SecretInvalid", true)), "{values:?}");
    }
}

/// A store that was stored under another definition, with a volume of nothing.
#[test]
fn a_volume_has_a_size() {
    let nothing = json!({"storage": {"size": "0Gi"}, "database": {"embedded": {"storageSize": "0Gi"}}});
    assert_eq!(made(&nothing).unwrap_err().reason.as_str(), "InvalidSpec");
}

#[test]
fn what_is_missing_is_named() {
    let resource = resource(&json!({
        "storage": {"type": "s3", "s3": {"bucket": "blobs", "accessKeySecret": {"name": "keys"}}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
    }));
    let mut facts = facts(&resource);
    built(&resource, &facts).unwrap();
    let secret = |name: &str| (crate::references::Source::Secret, name.to_owned());
    facts.referenced.insert(secret("db"), None);
    let refusal = built(&resource, &facts).unwrap_err();
    assert_eq!(refusal.reason.as_str(), "SecretNotFound");
    assert!(refusal.message.contains("team/db") && refusal.message.contains("username and password"), "{refusal:?}");
    facts.referenced.insert(secret("keys"), Some(BTreeMap::from([("access-key".to_owned(), b"x".to_vec())])));
    let refusal = built(&resource, &facts).unwrap_err();
    assert_eq!(refusal.reason.as_str(), "SecretKeyMissing");
    assert!(refusal.message.contains("secret-key"), "{refusal:?}");
}

#[test]
fn no_secret_is_in_anything_but_a_secret() {
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
fn a_password_may_have_anything_in_it() {
    let resource = resource(&json!({
        "storage": {"type": "s3", "s3": {"bucket": "blobs"}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
    }));
    let mut facts = facts(&resource);
    let values = [("username", "a@b"), ("password", "p:/?#[]@! $&'\"%\n")];
    let values = values.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    facts.referenced.insert((crate::references::Source::Secret, "db".to_owned()), Some(values.into()));
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

/// What is thought up anew at each look must not roll the servers.
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
        facts.master = "another".to_owned();
        assert_eq!(built(&resource, &facts).unwrap(), built(&resource, &before).unwrap(), "{spec}");
    }
}

/// While an autoscaler has not taken the number over the operator goes on sending the one that is there.
#[test]
fn an_autoscaler_gets_the_number_of_servers_handed_over() {
    let resource = resource(&json!({
        "replicas": 3,
        "storage": {"type": "s3", "s3": {"bucket": "blobs"}},
        "database": {"type": "postgres", "postgres": {"host": "db", "database": "zot", "credentialsSecret": "db"}},
        "autoscaling": {"enabled": true, "minReplicas": 2},
    }));
    let mut facts = facts(&resource);
    let replicas = |facts: &Facts| {
        let made = built(&resource, facts).unwrap();
        made.iter().find(|child| child.kind == Kind::Deployment).unwrap().document["spec"]["replicas"].clone()
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
