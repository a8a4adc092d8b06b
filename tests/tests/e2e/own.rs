//! Tests that need the cluster of `hack/cluster`: they kill its API server and read its audit log.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::process::Command;
use zot_tests::workspace;

use crate::harness::{OPERATOR, TestCluster, variable};
use crate::load::Load;
use crate::stores::outside;

const ACCOUNT: &str = "system:serviceaccount:zot-operator-system:zot-artifact-store-operator";

/// Case 13: the API server is killed and restarted. Servers keep serving, and changes are applied afterwards.
#[tokio::test]
async fn case_13_the_api_server_is_restarted() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let admin = space.admin("store").await;
    admin.push_image("team/app", "v1", vec![7; 1000]).await;
    let load = Load::start(&admin, "/v2/team/app/manifests/v1");
    space.store("small", &json!({})).await;
    let restart = Command::new(workspace().join("hack/cluster")).arg("restart-api").status().await;
    assert!(restart.expect("hack/cluster").success(), "see its output above");
    space.until_ready("small").await;
    space.store("later", &json!({})).await;
    space.until_ready("later").await;
    space.until_ready("store").await;
    println!("{} requests, none failed", load.none_failed().await);
}

/// Group, resource and verb.
type Right = (String, String, String);

/// The rights that the operator used, and those that it was refused.
#[derive(Default)]
struct AuditedRights {
    used: BTreeSet<Right>,
    refused: BTreeSet<Right>,
}

impl AuditedRights {
    fn read() -> Self {
        let path = variable("ZOT_E2E_AUDIT");
        let log = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut asked = Self::default();
        for line in log.lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue }; // the last line may be incomplete
            if event["user"]["username"] == ACCOUNT {
                asked.note(&event);
            }
        }
        asked
    }

    fn note(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let mut resource = text(&object["resource"]);
        if let Some(part) = object["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        let right = |verb: &str| (text(&object["apiGroup"]), resource.clone(), verb.to_owned());
        let verb = text(&event["verb"]);
        let message = text(&event["responseStatus"]["message"]);
        match event["responseStatus"]["code"].as_u64() {
            // a terminating namespace accepts no new objects, with any rights
            Some(403) if message.contains("because it is being terminated") => {}
            Some(403) => {
                self.refused.insert(right(&verb));
            }
            code => {
                self.used.insert(right(&verb));
                if code == Some(201) {
                    self.used.insert(right("create")); // a patch can create too
                }
            }
        }
    }
}

/// The rights that a role allows.
fn allowed(role: &Value) -> BTreeSet<Right> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in role["rules"].as_array().expect("rules") {
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                allowed.extend(list(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    allowed
}

/// Case 19: the operator used each right of the shipped roles in the tests before this one, which is the last. If only some tests
/// ran, this test checks the refused rights only.
#[tokio::test]
async fn case_19_no_right_is_missing_and_none_is_unused() {
    let cluster = TestCluster::open();
    let asked = AuditedRights::read();
    assert!(!asked.used.is_empty(), "the audit log contains no request of the operator");
    // an API server that has just started knows no roles and refuses everything
    let missing: Vec<&Right> = asked.refused.difference(&asked.used).collect();
    assert_eq!(missing, Vec::<&Right>::new());
    if std::env::var_os("ZOT_E2E_WHOLE").is_none() {
        return;
    }
    let mut allowed = allowed(&cluster.get("clusterrole/zot-artifact-store-operator").await.expect("the role"));
    allowed.extend(self::allowed(
        &cluster
            .get(&format!("-n {OPERATOR} role/zot-artifact-store-operator-leader-election"))
            .await
            .expect("the role"),
    ));
    // only OpenShift's API server checks this right
    allowed.retain(|(_, resource, _)| resource != "routes/custom-host");
    let unused: Vec<&Right> = allowed.difference(&asked.used).collect();
    assert_eq!(unused, Vec::<&Right>::new());
}
