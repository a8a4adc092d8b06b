//! Random resources of the definition's shape: the operator does not panic, and builds valid objects.

use serde_json::{Map, Value, json};

use super::{built, facts};
use crate::kinds::ObjectKind;

/// Random resources, and how many of them must be valid so that the test is meaningful.
const RESOURCES: u64 = 5_000;
const BUILT_MIN: usize = 500;

/// `SplitMix64`: every run has the same numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).unwrap();
        &all[usize::try_from(self.below(count)).unwrap()]
    }

    fn text(&mut self) -> String {
        let texts = [
            "a",
            "name",
            "10Gi",
            "1h",
            "https://sso.example.com/x",
            "10.0.0.0/8",
            "s3.example.com:443",
            "a.b.example.com",
            "",
            " ",
            "x\ny: z",
            "a,b",
            "*",
            "${HOME}",
            "ü",
            "\u{0}",
            "{\"a\": 1}",
            "-1",
            "~",
            "yes",
            "2026-01-01",
        ];
        if self.below(50) == 0 { "x".repeat(5000) } else { (*self.one_of(&texts)).to_owned() }
    }

    fn value(&mut self, schema: &Value) -> Value {
        if let Some(all) = schema["enum"].as_array() {
            return self.one_of(all).clone();
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return self.one_of(&[json!(0), json!(1), json!("25%"), json!("all"), json!(-7)]).clone();
        }
        match schema["type"].as_str() {
            Some("boolean") => json!(self.below(2) == 0),
            Some("integer") => {
                let bound = |name: &str| {
                    schema[name].as_f64().map(|bound| serde_json::from_str::<Value>(&format!("{bound:.0}")).unwrap())
                };
                let bounds =
                    [bound("minimum"), bound("maximum"), Some(json!(1)), Some(json!(i32::MAX)), Some(json!(8080))];
                let bounds: Vec<Value> = bounds.into_iter().flatten().collect();
                self.one_of(&bounds).clone()
            }
            Some("number") => json!(0.5),
            Some("string") => json!(self.text()),
            Some("array") => (0..self.below(3)).map(|_| self.value(&schema["items"])).collect(),
            _ => self.object(schema),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let mut object = Map::new();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&json!(name)) || self.below(6) == 0 {
                object.insert(name.clone(), self.value(field));
            }
        }
        if schema["additionalProperties"].is_object() {
            for _ in 0..self.below(3) {
                object.insert(self.text(), self.value(&schema["additionalProperties"]));
            }
        }
        Value::Object(object)
    }
}

#[test]
fn random_resources_are_refused_or_built() {
    let definition = serde_json::to_value(zot_crds::definition::definition()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut random = Random(1);
    let mut count = 0;
    for _ in 0..RESOURCES {
        let spec = random.value(schema);
        let document = json!({
            "apiVersion": "artifact.zotregistry.io/v1alpha1", "kind": "ZotArtifactStore",
            "metadata": { "name": "store", "namespace": "team", "uid": "1", "generation": 1 }, "spec": spec,
        });
        // a resource that cannot be decoded is reported, and not built
        let Ok(resource) = serde_json::from_value::<zot_crds::ZotArtifactStore>(document) else { continue };
        let facts = facts(&resource);
        let Ok(made) = built(&resource, &facts) else { continue };
        count += 1;
        assert_eq!(made, built(&resource, &facts).unwrap(), "the second build differs: {spec}");
        let deployment = made.iter().find(|child| child.kind == ObjectKind::Deployment).unwrap();
        let typed: Result<k8s_openapi::api::apps::v1::Deployment, _> =
            serde_json::from_value(deployment.document.clone());
        assert!(typed.is_ok(), "{typed:?}: {spec}");
        for child in &made {
            assert!(child.name.starts_with("store"), "{}: {spec}", child.name);
        }
    }
    assert!(count >= BUILT_MIN, "only {count} of {RESOURCES} are valid");
}
