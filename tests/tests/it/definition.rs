//! The custom resource's definition and its resources, checked by an API server's code without an API server
//! (`hack/crd-check`). `tests/tests/e2e/inputs.rs` uses a real API server.

use std::path::PathBuf;

use serde_json::{Value, json};
use zot_tests::tools::{Home, tool};
use zot_tests::workspace;

fn definition() -> PathBuf {
    workspace().join("config/crd/zotartifactstores.yaml")
}

fn read(path: impl AsRef<std::path::Path>) -> Value {
    let text = std::fs::read_to_string(workspace().join(path)).expect("the file");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// What is said of documents that come one after the other.
async fn verdict(definition: &std::path::Path, documents: &[Value]) -> Value {
    let home = Home::new();
    let input: Vec<String> = documents.iter().map(Value::to_string).collect();
    let file = home.write("documents.yaml", input.join("\n---\n"));
    let words = [definition.display().to_string(), file.display().to_string()];
    let printed = home.command(&tool("crd-check").await).words(&words.join(" ")).run().await;
    assert_eq!(printed.stdout.lines().count(), 1, "{printed}");
    let verdict: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    let refused = verdict["refused"].as_array().is_some_and(|all| !all.is_empty());
    assert_eq!(printed.status.success(), !refused, "{printed}");
    verdict
}

fn store(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "artifact.zotregistry.io/v1alpha1", "kind": "ZotArtifactStore", "metadata": { "name": name }, "spec": spec,
    })
}

#[tokio::test]
async fn the_samples_are_taken() {
    let folder = workspace().join("config/samples/stores");
    let mut count = 0;
    let mut names = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the samples") {
        let path = entry.expect("a file").path();
        let name = read(&path)["metadata"]["name"].clone();
        assert!(
            names.insert(name.to_string()),
            "two samples are called {name}: `kubectl apply -f` of the folder needs both"
        );
        let verdict = verdict(&definition(), &[read(&path)]).await;
        assert_eq!(verdict["refused"], json!([]), "{}", path.display());
        assert_eq!(verdict["stored"].as_array().map(Vec::len), Some(1), "{}: {verdict:#}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count} samples");
}

#[tokio::test]
async fn what_is_not_given_is_filled_in() {
    let verdict = verdict(&definition(), &[store("hello", &json!({}))]).await;
    let spec = &verdict["stored"][0]["spec"];
    assert_eq!((&spec["replicas"], &spec["storage"]["type"]), (&json!(1), &json!("filesystem")), "{verdict:#}");
    assert_eq!((&spec["storage"]["size"], &spec["database"]["type"]), (&json!("10Gi"), &json!("embedded")));
}

#[tokio::test]
async fn bad_inputs_are_refused_with_advice() {
    for case in read("tests/inputs/refused-stores.yaml").as_array().expect("a list") {
        let name = case["name"].as_str().unwrap_or("store");
        let before = case.get("before").map(|spec| store(name, spec));
        let documents: Vec<Value> = before.into_iter().chain([store(name, &case["spec"])]).collect();
        let verdict = verdict(&definition(), &documents).await;
        let said = verdict["refused"].to_string();
        let words = case["says"].as_array().expect("words").iter().map(|word| word.as_str().expect("a word"));
        for word in words {
            assert!(said.contains(word), "{word:?} is not in what is said of {case:#}:\n{said}");
        }
        assert_eq!(verdict["stored"].as_array().map(Vec::len), Some(documents.len() - 1), "{case:#}\n{said}");
    }
}

/// The check itself: faults that other checks let through.
#[tokio::test]
async fn a_definition_that_no_api_server_takes_is_found() {
    type Fault = fn(&mut Value);
    let faults: [(&str, Fault); 3] = [
        ("must be empty to be structural", |schema| {
            schema["properties"]["replicas"]["oneOf"] = json!([{ "type": "integer" }, { "type": "string" }]);
        }),
        ("undefined field", |schema| {
            schema["x-kubernetes-validations"] = json!([{ "rule": "self.nothing == 1" }]);
        }),
        ("default", |schema| schema["properties"]["replicas"]["default"] = json!("one")),
    ];
    let whole = read(definition());
    for (says, fault) in faults {
        let mut broken = whole.clone();
        fault(&mut broken["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]);
        let home = Home::new();
        let path = home.write("definition.yaml", broken.to_string());
        let said = verdict(&path, &[]).await["refused"].to_string();
        assert!(said.contains(says), "{says:?} is not in {said}");
    }
}
