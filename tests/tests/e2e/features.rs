//! Features that come and go: autoscaling, ways in, monitoring.

use serde_json::{Value, json};

use crate::stand::{Stand, condition};
use crate::stores::outside;

/// Case 14: an autoscaler owns the number of servers, is handed the one that is there, and gives it back. (Scaling by load
/// needs metrics, which this cluster has not: the number is changed through the scale subresource, as an autoscaler does.)
#[tokio::test]
async fn case_14_the_number_of_servers_is_the_autoscaler_s() {
    let stand = Stand::open();
    let space = stand.space().await;
    let (_storage, mut spec) = outside(&space).await;
    space.store("store", &spec).await;
    space.until_ready("store").await;
    let watched = |it: &Value| it["spec"]["replicas"].clone();
    spec["autoscaling"] = json!({ "enabled": true, "minReplicas": 2, "maxReplicas": 6 });
    space.store("store", &spec).await;
    space.until("hpa/store", "the autoscaler", |it| it["spec"]["maxReplicas"] == 6).await;
    space.until_ready("store").await;
    assert_eq!(watched(&space.get("deploy/store").await.expect("it")), 3, "no dip");
    space.run("scale deploy/store --replicas=5").await;
    space.until("deploy/store", "five servers", |it| it["status"]["availableReplicas"] == 5).await;
    for round in 0..20 {
        space.run(&format!("annotate zas/store round={round} --overwrite")).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let deployment = space.get("deploy/store --show-managed-fields").await.expect("it");
    assert_eq!(watched(&deployment), 5);
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

/// Case 15: what is switched off goes, what is somebody else's stays, and what the cluster lacks comes when it has it.
#[tokio::test]
async fn case_15_features_come_and_go() {
    let stand = Stand::open();
    stand.run("delete crd servicemonitors.monitoring.coreos.com --ignore-not-found").await;
    let space = stand.space().await;
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": "taken", "namespace": space.name },
        "spec": { "defaultBackend": { "service": { "name": "other", "port": { "number": 80 } } } },
    });
    stand.apply(&foreign).await;
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
    stand.define("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors").await;
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
    assert!(space.get("ingress/taken").await.is_some(), "somebody else's is gone");
    let store = space.until_ready("store").await;
    assert_eq!(condition(&store, "ExposureReady"), Value::Null);
}

/// Ways in by APIs of others: HTTPRoute by the definition of the Gateway API, Route by its name alone (OpenShift cannot be had).
/// Nothing here acts on them: they are there, point at the Service, and go when they are switched off.
#[tokio::test]
async fn ways_in_by_apis_of_others() {
    let stand = Stand::open();
    stand.define_of("gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml").await;
    stand.define("route.openshift.io", "v1", "Route", "routes").await;
    stand.define("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules").await;
    let space = stand.space().await;
    let gateway = json!({ "enabled": true, "host": "artifacts.example.com", "parentRef": { "name": "public", "namespace": "gateways" } });
    let mut spec = json!({
        "networking": { "gateway": gateway },
        "openshift": { "route": { "enabled": true, "host": "artifacts.apps.example.com" } },
        "metrics": { "prometheus": { "rules": true } },
    });
    space.store("store", &spec).await;
    space.until("zas/store", "ways in", |it| condition(it, "ExposureReady")["status"] == "True").await;
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
    // an Ingress of OpenShift's class is a Route there
    spec["networking"]["ingress"] =
        json!({ "enabled": true, "className": "openshift-default", "host": "artifacts.apps.example.com" });
    space.store("store", &spec).await;
    space.until("route/store", "the Route", |it| it["spec"]["host"] == "artifacts.apps.example.com").await;
    assert!(space.get("ingress/store").await.is_none());
    stand.run("delete crd routes.route.openshift.io httproutes.gateway.networking.k8s.io").await;
}
