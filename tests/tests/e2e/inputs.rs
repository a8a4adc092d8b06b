//! Invalid resources: refused by the API server, or stored under an older definition.

use serde_json::{Value, json};
use zot_tests::workspace;

use crate::harness::{TestCluster, condition};

/// Cases 3 and 4: invalid shapes, rules and contradictions are refused, with messages that say what to do. This test uses only
/// the API server.
#[tokio::test]
async fn case_03_and_04_bad_inputs_are_refused_with_advice() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let cases = std::fs::read_to_string(workspace().join("tests/inputs/refused-stores.yaml")).expect("the cases");
    let cases: Value = serde_saphyr::from_str(&cases).expect("YAML");
    let mut changed = 0;
    for case in cases.as_array().expect("a list") {
        let mut name = case["name"].as_str().unwrap_or("bad").to_owned();
        if let Some(before) = case.get("before") {
            changed += 1;
            name = format!("changed-{changed}");
            space.store(&name, before).await;
        }
        let said = cluster.refused(&space.store_document(&name, &case["spec"])).await;
        for word in case["says"].as_array().expect("words") {
            let word = word.as_str().expect("a word");
            assert!(said.contains(word), "{word:?} is missing in the message about {case:#}:\n{said}");
        }
    }
    let stored = space.get("zas").await.expect("a list");
    assert_eq!(stored["items"].as_array().map(Vec::len), Some(changed), "{stored:#}");
    // a volume may grow
    space.store("grows", &json!({"storage": {"size": "2Gi"}})).await;
    space.store("grows", &json!({"storage": {"size": "3Gi"}})).await;
}

/// Case 5: resources that were stored under a looser definition do not block others.
#[tokio::test]
async fn case_05_undecodable_resources_block_no_others() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("served", &json!({})).await;
    space.until_ready("served").await;
    let name = "zotartifactstores.artifact.zotregistry.io";
    let strict = cluster.get(&format!("crd {name}")).await.expect("the definition");
    let mut loose = strict.clone();
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
        loose["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    loose["status"] = Value::Null;
    let restored = loose.clone();
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let shapeless = json!({ "type": "object", "properties": { "spec": open, "status": open } });
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = shapeless;
    let replace = async |document: &Value| {
        let printed = cluster.try_run("replace -f -", Some(document)).await;
        assert!(printed.status.success(), "{printed}");
    };
    replace(&loose).await;
    let unreadable = cluster
        .try_run("apply -f -", Some(&space.store_document("unreadable", &json!({"storage": {"type": "tape"}}))))
        .await;
    let contradictory =
        cluster.try_run("apply -f -", Some(&space.store_document("contradictory", &json!({"replicas": 2})))).await;
    let served = cluster.try_run("apply -f -", Some(&space.store_document("served", &json!({"replicas": 2})))).await;
    // at once: other tests need it
    replace(&restored).await;
    assert!(unreadable.status.success() && contradictory.status.success(), "{unreadable}\n{contradictory}");
    assert!(served.status.success(), "{served}");
    space.store("good", &json!({})).await;
    space.until_ready("good").await;
    let unreadable =
        space.until("zas/unreadable", "the refusal", |it| condition(it, "Ready")["reason"] == "InvalidSpec").await;
    let message = condition(&unreadable, "Ready")["message"].clone();
    assert!(message.as_str().is_some_and(|it| it.contains("tape")), "{message}");
    let refused =
        space.until("zas/contradictory", "the refusal", |it| condition(it, "SpecValid")["status"] == "False").await;
    assert!(
        condition(&refused, "SpecValid")["message"].as_str().is_some_and(|it| it.contains("one replica")),
        "{refused:#}"
    );
    assert!(space.get("deploy/contradictory").await.is_none() && space.get("deploy/unreadable").await.is_none());
    // a store that served before keeps serving
    for kind in ["SpecValid", "Ready"] {
        let refused = space.until_condition("served", kind, "False", "InvalidSpec").await;
        assert_eq!(condition(&refused, "Available")["status"], "True", "{refused:#}");
    }
    let deployment = space.get("deploy/served").await.expect("the Deployment");
    assert_eq!(
        (&deployment["metadata"]["generation"], &deployment["spec"]["replicas"]),
        (&json!(1), &json!(1)),
        "{deployment:#}"
    );
    space.admin("served").await.get("/health").await.expect_status(200);
}
