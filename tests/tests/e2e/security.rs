//! Case 19: what pods may be, and what the operator may do.

use serde_json::{Value, json};

use crate::stand::{OPERATOR, Stand};

/// Namespaces of tests are at the level `restricted` already. Here ids of the cluster's choice are demanded too, as OpenShift
/// does: an admission policy refuses any that are given, and gives none itself.
#[tokio::test]
async fn case_19_pods_fit_a_cluster_that_chooses_their_ids() {
    let stand = Stand::open();
    stand.define("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints").await;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "zot-e2e-ids" },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
            }] },
            "validations": [{
                "expression": "!has(object.spec.securityContext) || (!has(object.spec.securityContext.runAsUser) && \
                               !has(object.spec.securityContext.fsGroup) && !has(object.spec.securityContext.runAsGroup))",
                "message": "ids are the cluster's choice",
            }],
        },
    });
    stand.apply(&policy).await;
    let space = stand.space().await;
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "zot-e2e-ids" },
        "spec": {
            "policyName": "zot-e2e-ids", "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": space.name } } },
        },
    });
    stand.apply(&binding).await;
    space.store("store", &json!({"database": {"type": "embedded"}})).await;
    let pod = "deploy/store";
    let free = |it: &Value| {
        let security = &it["spec"]["template"]["spec"]["securityContext"];
        security["runAsNonRoot"] == true && security["fsGroup"].is_null() && security["runAsUser"].is_null()
    };
    space.until(pod, "no ids", free).await;
    // it is let in; that its volume can be written to is the cluster's doing there
    space
        .until("pods -l app=zot-artifact-store", "a pod", |it| {
            it["items"].as_array().is_some_and(|pods| !pods.is_empty())
        })
        .await;
    stand.run("delete validatingadmissionpolicybinding/zot-e2e-ids validatingadmissionpolicy/zot-e2e-ids").await;
    stand.run("delete crd securitycontextconstraints.security.openshift.io").await;
    // so that it knows at once that this is no OpenShift any more
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
    let log =
        stand.run(&format!("-n {OPERATOR} logs -l app.kubernetes.io/name=zot-artifact-store-operator --tail=-1")).await;
    // of namespaces that go, which take nothing new, nothing is said
    assert!(!log.contains("orbidden"), "a right is missing: {log}");
}
