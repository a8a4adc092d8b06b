//! Case 19: what pods may be, and what the operator may do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stand::{DEADLINE, OPERATOR, Stand};

/// Namespaces of tests are at the level `restricted` already. Here ids are the cluster's choice too, as on OpenShift: admission
/// policies refuse any that are given, and then give some that nobody knows, as its SCC `restricted-v2` does. On those servers
/// and operators run.
#[tokio::test]
async fn case_19_pods_fit_a_cluster_that_chooses_their_ids() {
    let stand = Stand::open();
    stand.define("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints").await;
    let space = stand.space().await;
    choose_ids(&stand, &[&space.name, OPERATOR]).await;
    // operators of such ids, who know at once that this is an OpenShift
    restart_operators(&stand).await;
    let operators = stand.get(&format!("-n {OPERATOR} pods")).await.expect("pods");
    space.store("store", &json!({"database": {"type": "embedded"}})).await;
    space.until_ready("store").await;
    let deployment = space.get("deploy/store").await.expect("the Deployment");
    let security = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!((&security["runAsUser"], &security["fsGroup"]), (&Value::Null, &Value::Null), "{deployment:#}");
    let servers = space.get("pods -l app=zot-artifact-store").await.expect("pods");
    for pod in [&servers, &operators].iter().flat_map(|list| list["items"].as_array().expect("pods")) {
        if pod["metadata"]["deletionTimestamp"].is_null() {
            let security = &pod["spec"]["securityContext"];
            assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&json!(UID), &json!(0)), "{pod:#}");
        }
    }
    space.admin("store").await.push_image("team/app", "v1", vec![7; 1000]).await;
    let kinds = "validatingadmissionpolicybinding validatingadmissionpolicy mutatingadmissionpolicybinding mutatingadmissionpolicy";
    for kind in kinds.split(' ') {
        stand.run(&format!("delete {kind} zot-e2e-ids")).await;
    }
    stand.run("delete crd securitycontextconstraints.security.openshift.io").await;
    restart_operators(&stand).await;
}

/// One of the range that OpenShift gives a project.
const UID: u64 = 1_000_920_000;

async fn choose_ids(stand: &Stand, namespaces: &[&str]) {
    let constraints = json!({ "resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
    }] });
    let given = "has(object.spec.securityContext) && (has(object.spec.securityContext.runAsUser) || \
                 has(object.spec.securityContext.fsGroup) || has(object.spec.securityContext.runAsGroup))";
    let ids = format!(
        "Object{{spec: Object.spec{{securityContext: Object.spec.securityContext{{runAsUser: {UID}, runAsGroup: 0, fsGroup: {UID}}}}}}}"
    );
    let selector = json!({ "namespaceSelector": { "matchExpressions": [
        { "key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces },
    ] } });
    let metadata = json!({ "name": "zot-e2e-ids" });
    for (kind, spec) in [
        (
            "ValidatingAdmissionPolicy",
            // what was given by hand is neither null nor the cluster's
            json!({ "matchConstraints": constraints, "failurePolicy": "Fail", "validations": [{
                "expression": format!("!({given}) || object.spec.securityContext.runAsUser == {UID}"),
                "message": "ids are the cluster's choice",
            }] }),
        ),
        (
            "MutatingAdmissionPolicy",
            json!({
                "matchConstraints": constraints, "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                // where some are given they stay, and the other policy refuses them
                "matchConditions": [{ "name": "none-given", "expression": format!("!({given})") }],
                "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": ids } }],
            }),
        ),
        (
            "ValidatingAdmissionPolicyBinding",
            json!({ "policyName": "zot-e2e-ids", "validationActions": ["Deny"], "matchResources": selector }),
        ),
        ("MutatingAdmissionPolicyBinding", json!({ "policyName": "zot-e2e-ids", "matchResources": selector })),
    ] {
        let version = "admissionregistration.k8s.io/v1";
        stand.apply(&json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })).await;
    }
    // policies are in force a moment after they are written
    let begun = Instant::now();
    loop {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "probe", "namespace": namespaces[1] },
            "spec": {
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{ "name": "probe", "image": "none", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                } }],
            },
        });
        let printed = stand.try_run("create --dry-run=server -o json -f -", Some(&pod)).await;
        let made: Value = serde_json::from_str(&printed.stdout).unwrap_or_default();
        if made["spec"]["securityContext"]["runAsUser"] == UID {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{printed}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn restart_operators(stand: &Stand) {
    stand.run(&format!("-n {OPERATOR} rollout restart deploy/zot-artifact-store-operator")).await;
    stand.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
}

/// What runs: no root, nothing to write to but its volume, no rights beyond those that are shipped.
#[tokio::test]
async fn case_19_operator_and_servers_are_restricted() {
    let stand = Stand::open();
    let space = stand.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    let pods = [
        space.get("pods -l app=zot-artifact-store").await.expect("pods"),
        stand.get(&format!("-n {OPERATOR} pods")).await.expect("pods"),
    ];
    for pod in pods.iter().flat_map(|list| list["items"].as_array().expect("pods")) {
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true, "{pod:#}");
        assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["spec"]["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    }
    let role = stand.get("clusterrole/zot-artifact-store-operator").await.expect("the role");
    let text = role["rules"].to_string();
    assert!(!text.contains('*'), "{text}");
}
