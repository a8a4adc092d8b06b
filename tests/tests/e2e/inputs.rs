//! What the API server refuses, and what was stored before it could.

use serde_json::{Value, json};

use crate::stand::{Stand, condition};

/// Case 3: shapes and rules, with messages that say what to do. (On the API server alone: nothing is to come of it.)
#[tokio::test]
async fn case_03_bad_inputs_are_refused_with_advice() {
    let stand = Stand::open();
    let space = stand.space().await;
    for (spec, words) in [
        (json!({"replicas": -1}), ["spec.replicas", "greater than or equal to 1"]),
        (json!({"storage": {"type": "ftp"}}), ["spec.storage.type", "filesystem"]),
        (json!({"storage": {"type": "s3"}}), ["storage.s3", "bucket"]),
        (json!({"storage": {"type": "azure", "azure": {"accountName": "account"}}}), ["container", "Required"]),
        (json!({"storage": {"size": "10 apples"}}), ["spec.storage.size", "should match"]),
        (json!({"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}), ["podDisruptionBudget", "not both"]),
        (json!({"autoscaling": {"targetCPUUtilization": 0}}), ["targetCPUUtilization", "greater than or equal to 1"]),
        (json!({"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}), ["minReplicas", "maxReplicas"]),
        (json!({"database": {"type": "mysql"}}), ["mysql", "use postgres"]),
        (json!({"database": {"type": "postgres"}}), ["database.postgres", "database.cluster"]),
        (json!({"supplyChain": {"enabled": true}}), ["supplyChain", "not in this version"]),
        (json!({"metrics": {"tracing": {"enabled": true}}}), ["tracing", "not in this version"]),
        (json!({"http": {"tls": {"enabled": true}}}), ["certSecretName", "kubernetes.io/tls"]),
        (json!({"networking": {"ingress": {"enabled": true}}}), ["ingress", "host"]),
        (
            json!({"rbac": {"keycloak": {"url": "https://sso", "realm": "r", "clientId": "c", "clientSecretRef": {"name": "x"}}}}),
            ["clientSecretRef", "remove it"],
        ),
        (json!({"colour": "blue"}), ["unknown field", "colour"]),
    ] {
        let said = stand.refused(&space.store_document("bad", &spec)).await;
        assert!(words.iter().all(|word| said.contains(word)), "{spec}: {words:?} is not in\n{said}");
    }
    let long = "a".repeat(41);
    let said = stand.refused(&space.store_document(&long, &json!({}))).await;
    assert!(said.contains("40 characters"), "{said}");
    assert!(space.get("zas").await.is_none_or(|list| list["items"] == json!([])));
    // what is there already bounds what may come
    space.store("fixed", &json!({"storage": {"size": "2Gi", "storageClass": "local-path"}})).await;
    for (spec, word) in [
        (json!({"storage": {"size": "1Gi", "storageClass": "local-path"}}), "smaller"),
        (json!({"storage": {"size": "2Gi", "storageClass": "other"}}), "storageClass cannot be changed"),
        (
            json!({"storage": {"type": "s3", "size": "2Gi", "storageClass": "local-path", "s3": {"bucket": "blobs"}}}),
            "storage.type cannot be changed",
        ),
    ] {
        let said = stand.refused(&space.store_document("fixed", &spec)).await;
        assert!(said.contains(word), "{spec}: {word} is not in\n{said}");
    }
    space.store("fixed", &json!({"storage": {"size": "3Gi", "storageClass": "local-path"}})).await;
}

/// Case 4: two servers on one embedded database.
#[tokio::test]
async fn case_04_a_contradiction_is_refused() {
    let stand = Stand::open();
    let space = stand.space().await;
    let spec =
        json!({"replicas": 2, "database": {"type": "embedded"}, "storage": {"type": "filesystem", "size": "50Gi"}});
    let said = stand.refused(&space.store_document("bad", &spec)).await;
    assert!(said.contains("database.type embedded allows one replica only"), "{said}");
}

/// Case 5: a resource that was stored under a looser definition beside a good one. And one of case 4 that was.
#[tokio::test]
async fn case_05_what_cannot_be_read_hinders_no_other_one() {
    let stand = Stand::open();
    let space = stand.space().await;
    let name = "zotartifactstores.artifact.zotregistry.io";
    let strict = stand.get(&format!("crd {name}")).await.expect("the definition");
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
        let printed = stand.try_run("replace -f -", Some(document)).await;
        assert!(printed.status.success(), "{printed}");
    };
    replace(&loose).await;
    let unreadable = stand
        .try_run("apply -f -", Some(&space.store_document("unreadable", &json!({"storage": {"type": "tape"}}))))
        .await;
    let contradictory =
        stand.try_run("apply -f -", Some(&space.store_document("contradictory", &json!({"replicas": 2})))).await;
    // first of all: other tests need it
    replace(&restored).await;
    assert!(unreadable.status.success() && contradictory.status.success(), "{unreadable}\n{contradictory}");
    space.store("good", &json!({})).await;
    space.until_ready("good").await;
    let unreadable =
        space.until("zas/unreadable", "it is told", |it| condition(it, "Ready")["reason"] == "InvalidSpec").await;
    let message = condition(&unreadable, "Ready")["message"].clone();
    assert!(message.as_str().is_some_and(|it| it.contains("tape")), "{message}");
    let told =
        space.until("zas/contradictory", "it is told", |it| condition(it, "SpecValid")["status"] == "False").await;
    assert!(condition(&told, "SpecValid")["message"].as_str().is_some_and(|it| it.contains("one replica")), "{told:#}");
    assert!(space.get("deploy/contradictory").await.is_none() && space.get("deploy/unreadable").await.is_none());
}
