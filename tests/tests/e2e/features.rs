//! Optional features: autoscaling, access from outside, monitoring.

use serde_json::{Value, json};

use crate::harness::{TestCluster, condition};
use crate::stores::outside;

/// Case 14: the number of servers is handed over to an autoscaler and back. This cluster has no metrics for scaling by load,
/// so the test writes the scale subresource, as an autoscaler does.
#[tokio::test]
async fn case_14_an_autoscaler_owns_the_number_of_servers() {
    let cluster = TestCluster::open();
    let space = cluster.space().await;
    let (_storage, mut spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let replicas = |it: &Value| it["spec"]["replicas"].clone();
    spec["autoscaling"] = json!({ "enabled": true, "minReplicas": 2, "maxReplicas": 6 });
    space.store("store", &spec).await;
    space.until("hpa/store", "the autoscaler", |it| it["spec"]["maxReplicas"] == 6).await;
    space.until_ready("store").await;
    assert_eq!(replicas(&space.get("deploy/store").await.expect("it")), 3, "no dip");
    space.run("scale deploy/store --replicas=5").await;
    space.until("deploy/store", "five servers", |it| it["status"]["availableReplicas"] == 5).await;
    for round in 0..20 {
        space.run(&format!("annotate zas/store round={round} --overwrite")).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let deployment = space.get("deploy/store --show-managed-fields").await.expect("it");
    assert_eq!(replicas(&deployment), 5);
    let ours = deployment["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut ours = ours.filter(|it| it["manager"] == "zot-artifact-store-operator");
    assert!(ours.all(|it| it["fieldsV1"]["f:spec"]["f:replicas"].is_null()), "{deployment:#}");
    spec["autoscaling"] = json!({ "enabled": false });
    space.store("store", &spec).await;
    space.until("deploy/store", "three servers", |it| it["spec"]["replicas"] == 3).await;
    space.until_gone("hpa/store").await;
    assert_eq!(space.get("pdb/store").await.expect("it")["spec"]["maxUnavailable"], 1);
    spec["podDisruptionBudget"] = json!({ "enabled": false });
    space.store("store", &spec).await;
    space.until_gone("pdb/store").await;
}

/// Case 15: objects of disabled features are deleted, foreign objects stay, and objects of a missing API follow the API.
#[tokio::test]
async fn case_15_features_come_and_go() {
    let cluster = TestCluster::open();
    cluster.run("delete crd servicemonitors.monitoring.coreos.com --ignore-not-found").await;
    let space = cluster.space().await;
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": "taken", "namespace": space.name },
        "spec": { "defaultBackend": { "service": { "name": "other", "port": { "number": 80 } } } },
    });
    cluster.apply(&foreign).await;
    let spec = json!({
        "networking": { "ingress": { "enabled": true, "host": "store.example.com" } },
        "metrics": { "prometheus": { "serviceMonitor": true } },
    });
    space.store("store", &spec).await;
    space.store("taken", &spec).await;
    let store = space.until_ready("store").await;
    assert_eq!(condition(&store, "ExposureReady")["status"], "True");
    assert_eq!(condition(&store, "MonitoringReady")["reason"], "DependencyApiMissing");
    let taken = space.until_ready("taken").await;
    assert_eq!(condition(&taken, "ExposureReady")["reason"], "Conflict", "{taken:#}");
    cluster.define("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors").await;
    space.until("zas/store", "the ServiceMonitor", |it| condition(it, "MonitoringReady")["status"] == "True").await;
    assert!(space.get("servicemonitor/store").await.is_some());
    let off = json!({
        "networking": { "ingress": { "enabled": false }, "networkPolicy": { "enabled": false } },
        "metrics": { "prometheus": { "serviceMonitor": false } },
    });
    for name in ["store", "taken"] {
        space.store(name, &off).await;
    }
    for object in ["ingress/store", "networkpolicy/store", "servicemonitor/store", "networkpolicy/taken"] {
        space.until_gone(object).await;
    }
    assert!(space.get("ingress/taken").await.is_some(), "a foreign Ingress was deleted");
    let store = space.until_ready("store").await;
    assert_eq!(condition(&store, "ExposureReady"), Value::Null);
}

/// `HTTPRoute`s (with the definition of the Gateway API) and Routes (with a definition that accepts everything). No controller
/// serves them here: the test checks that they exist, refer to the Service, and are deleted.
#[tokio::test]
async fn ways_in_by_apis_of_others() {
    let cluster = TestCluster::open();
    cluster.define_of("gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml").await;
    cluster.define("route.openshift.io", "v1", "Route", "routes").await;
    cluster.define("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules").await;
    let space = cluster.space().await;
    let gateway = json!({ "enabled": true, "host": "artifacts.example.com", "parentRef": { "name": "public", "namespace": "gateways" } });
    let mut spec = json!({
        "networking": { "gateway": gateway },
        "openshift": { "route": { "enabled": true, "host": "artifacts.apps.example.com" } },
        "metrics": { "prometheus": { "rules": true } },
    });
    space.store("store", &spec).await;
    space.until("zas/store", "the routes", |it| condition(it, "ExposureReady")["status"] == "True").await;
    space.until_ready("store").await;
    let route = space.get("httproute/store").await.expect("the HTTPRoute");
    assert_eq!(route["spec"]["hostnames"], json!(["artifacts.example.com"]));
    let backend = &route["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!((&backend["name"], &backend["port"]), (&json!("store"), &json!(8080)), "{route:#}");
    let route = space.get("route/store").await.expect("the Route");
    assert_eq!(
        (&route["spec"]["host"], &route["spec"]["to"]["name"]),
        (&json!("artifacts.apps.example.com"), &json!("store"))
    );
    spec["networking"]["gateway"]["enabled"] = json!(false);
    spec["openshift"]["route"]["enabled"] = json!(false);
    spec["metrics"]["prometheus"]["rules"] = json!(false);
    space.store("store", &spec).await;
    for object in ["httproute/store", "route/store", "prometheusrule/store"] {
        space.until_gone(object).await;
    }
    let store = space.until_ready("store").await;
    assert_eq!(condition(&store, "ExposureReady"), Value::Null);
    // an Ingress of OpenShift's class becomes a Route
    spec["networking"]["ingress"] =
        json!({ "enabled": true, "className": "openshift-default", "host": "artifacts.apps.example.com" });
    space.store("store", &spec).await;
    space.until("route/store", "the Route", |it| it["spec"]["host"] == "artifacts.apps.example.com").await;
    assert!(space.get("ingress/store").await.is_none());
    cluster.run("delete crd routes.route.openshift.io httproutes.gateway.networking.k8s.io").await;
}
