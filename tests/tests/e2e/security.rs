//! Case 19: restricted pods.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, OPERATOR, TestCluster};

/// All test namespaces have the level `restricted`. Here the cluster also assigns user and group ids, like the SCC
/// `restricted-v2` of OpenShift: admission policies refuse ids in a pod, and set unknown ones.
#[tokio::test]
async fn case_19_pods_fit_a_cluster_that_chooses_their_ids() {
    let cluster = TestCluster::open();
    cluster.define("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints").await;
    let space = cluster.space().await;
    choose_ids(&cluster, &[&space.name, OPERATOR]).await;
    // new operator pods get such ids, and detect OpenShift at their start
    restart_operators(&cluster).await;
    let operators = cluster.get(&format!("-n {OPERATOR} pods")).await.expect("pods");
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
        cluster.run(&format!("delete {kind} zot-e2e-ids")).await;
    }
    cluster.run("delete crd securitycontextconstraints.security.openshift.io").await;
    restart_operators(&cluster).await;
}

/// An id from the range of an OpenShift project.
const UID: u64 = 1_000_920_000;

async fn choose_ids(cluster: &TestCluster, namespaces: &[&str]) {
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
            // refuse ids, except the assigned one
            json!({ "matchConstraints": constraints, "failurePolicy": "Fail", "validations": [{
                "expression": format!("!({given}) || object.spec.securityContext.runAsUser == {UID}"),
                "message": "the cluster assigns ids",
            }] }),
        ),
        (
            "MutatingAdmissionPolicy",
            json!({
                "matchConstraints": constraints, "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                // keep ids that the pod has, so that the other policy refuses them
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
        cluster.apply(&json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })).await;
    }
    // policies take effect after a moment
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
        let printed = cluster.try_run("create --dry-run=server -o json -f -", Some(&pod)).await;
        let made: Value = serde_json::from_str(&printed.stdout).unwrap_or_default();
        if made["spec"]["securityContext"]["runAsUser"] == UID {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{printed}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn restart_operators(cluster: &TestCluster) {
    cluster.run(&format!("-n {OPERATOR} rollout restart deploy/zot-artifact-store-operator")).await;
    cluster.run(&format!("-n {OPERATOR} rollout status deploy/zot-artifact-store-operator --timeout=120s")).await;
}

/// Pods do not run as root and can write only to their volume. The role has no wildcards.
#[tokio::test]
async fn case_19_operator_and_servers_are_restricted() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    space.store("store", &json!({})).await;
    space.until_ready("store").await;
    let pods = [
        space.get("pods -l app=zot-artifact-store").await.expect("pods"),
        cluster.get(&format!("-n {OPERATOR} pods")).await.expect("pods"),
    ];
    for pod in pods.iter().flat_map(|list| list["items"].as_array().expect("pods")) {
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true, "{pod:#}");
        assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["spec"]["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    }
    let role = cluster.get("clusterrole/zot-artifact-store-operator").await.expect("the role");
    let text = role["rules"].to_string();
    assert!(!text.contains('*'), "{text}");
}
