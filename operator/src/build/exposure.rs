//! Access from outside the cluster: an Ingress, an OpenShift Route, or an HTTPRoute of the Gateway API.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use serde_json::json;

use super::object::{Child, owned};
use crate::kinds::ObjectKind;
use crate::validate::ValidSpec;

/// The ingress class for which OpenShift creates Routes.
const OPENSHIFT_CLASS: &str = "openshift-default";

/// The kinds that the spec enables, whether the cluster knows them or not.
pub(crate) fn enabled(store: &ValidSpec<'_>) -> Vec<ObjectKind> {
    let (networking, route) = (&store.spec().networking, &store.spec().openshift.route);
    let class = networking.ingress.class_name.as_deref();
    let by_route = class == Some(OPENSHIFT_CLASS) && store.facts.apis.has(ObjectKind::Route);
    let kinds = [
        (networking.ingress.enabled && !by_route, ObjectKind::Ingress),
        (networking.ingress.enabled && by_route || route.enabled, ObjectKind::Route),
        (networking.gateway.enabled, ObjectKind::HttpRoute),
    ];
    kinds.into_iter().filter_map(|(enabled, kind)| enabled.then_some(kind)).collect()
}

/// The host name that clients use, and whether they use TLS.
pub(crate) fn host(store: &ValidSpec<'_>) -> Option<(String, bool)> {
    let (networking, route) = (&store.spec().networking, &store.spec().openshift.route);
    if let (true, Some(host)) = (networking.ingress.enabled, &networking.ingress.host) {
        return Some((host.clone(), networking.ingress.tls.enabled));
    }
    if let (true, Some(host)) = (route.enabled, &route.host) {
        return Some((host.clone(), true));
    }
    // the Gateway decides about TLS; most have it
    networking.gateway.host.clone().filter(|_| networking.gateway.enabled).map(|host| (host, true))
}

pub(super) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    let kinds = enabled(store).into_iter().filter(|kind| store.facts.apis.has(*kind));
    kinds
        .map(|kind| match kind {
            ObjectKind::Ingress => ingress(store),
            ObjectKind::Route => route(store),
            _ => http_route(store),
        })
        .collect()
}

fn ingress(store: &ValidSpec<'_>) -> Child {
    let ingress = &store.spec().networking.ingress;
    let port = ServiceBackendPort { name: Some("http".to_owned()), number: None };
    let service = IngressServiceBackend { name: store.name.clone(), port: Some(port) };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend { service: Some(service), resource: None },
    };
    let rule = IngressRule { host: ingress.host.clone(), http: Some(HTTPIngressRuleValue { paths: vec![path] }) };
    let tls = || IngressTLS {
        hosts: Some(ingress.host.iter().cloned().collect()),
        secret_name: ingress.tls.secret_name.clone(),
    };
    let spec = IngressSpec {
        rules: Some(vec![rule]),
        ingress_class_name: ingress.class_name.clone(),
        tls: ingress.tls.enabled.then(|| vec![tls()]),
        default_backend: None,
    };
    let body = Ingress { spec: Some(spec), ..Ingress::default() };
    owned(store, ObjectKind::Ingress, &store.name, body).annotated(&ingress.annotations)
}

fn route(store: &ValidSpec<'_>) -> Child {
    let (ingress, route) = (&store.spec().networking.ingress, &store.spec().openshift.route);
    let by_ingress = ingress.enabled && !route.enabled;
    let mut spec = json!({
        "to": { "kind": "Service", "name": store.name, "weight": 100 },
        "port": { "targetPort": "http" },
    });
    if !by_ingress || ingress.tls.enabled {
        spec["tls"] = json!({ "termination": route.termination, "insecureEdgeTerminationPolicy": "Redirect" });
    }
    if let Some(host) = if by_ingress { &ingress.host } else { &route.host } {
        spec["host"] = json!(host);
    }
    let child = owned(store, ObjectKind::Route, &store.name, json!({ "spec": spec }));
    if by_ingress { child.annotated(&ingress.annotations) } else { child }
}

fn http_route(store: &ValidSpec<'_>) -> Child {
    let gateway = &store.spec().networking.gateway;
    let backend = json!({ "name": store.name, "port": store.spec().networking.service.port });
    let spec = json!({
        "parentRefs": [gateway.parent_ref],
        "hostnames": [gateway.host],
        "rules": [{ "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }], "backendRefs": [backend] }],
    });
    owned(store, ObjectKind::HttpRoute, &store.name, json!({ "spec": spec }))
}
