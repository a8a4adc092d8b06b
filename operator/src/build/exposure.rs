//! How clients outside the cluster reach the servers: an Ingress, a Route of OpenShift, or an HTTPRoute.

use serde_json::{Value, json};

use super::{Child, annotated, child};
use crate::api::Kind;
use crate::validate::Store;

/// The class of Ingress for which OpenShift makes Routes.
const OPENSHIFT_CLASS: &str = "openshift-default";

/// A way in that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    Ingress,
    Route,
    HttpRoute,
}

impl Exposure {
    /// The kind of object that it takes.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Ingress => Kind::Ingress,
            Self::Route => Kind::Route,
            Self::HttpRoute => Kind::HttpRoute,
        }
    }
}

/// All ways in that were asked for.
pub(crate) fn asked(store: &Store<'_>) -> Vec<Exposure> {
    let (networking, route) = (&store.spec().networking, &store.spec().openshift.route);
    let mut asked = Vec::new();
    if networking.ingress.enabled {
        let openshift = networking.ingress.class_name.as_deref() == Some(OPENSHIFT_CLASS);
        asked.push(if openshift && store.facts.apis.has(Kind::Route) { Exposure::Route } else { Exposure::Ingress });
    }
    if route.enabled && !asked.contains(&Exposure::Route) {
        asked.push(Exposure::Route);
    }
    if networking.gateway.enabled {
        asked.push(Exposure::HttpRoute);
    }
    asked
}

/// The host by which clients come, and whether they speak TLS to it.
pub(crate) fn host(store: &Store<'_>) -> Option<(String, bool)> {
    let (networking, route) = (&store.spec().networking, &store.spec().openshift.route);
    if let (true, Some(host)) = (networking.ingress.enabled, &networking.ingress.host) {
        return Some((host.clone(), networking.ingress.tls.enabled));
    }
    if let (true, Some(host)) = (route.enabled, &route.host) {
        return Some((host.clone(), true));
    }
    // whether a Gateway speaks TLS is the Gateway's
    networking.gateway.host.clone().filter(|_| networking.gateway.enabled).map(|host| (host, true))
}

pub(super) fn children(store: &Store<'_>) -> Vec<Child> {
    let ways = asked(store).into_iter().filter(|way| store.facts.apis.has(way.kind()));
    ways.map(|way| match way {
        Exposure::Ingress => ingress(store),
        Exposure::Route => route(store),
        Exposure::HttpRoute => http_route(store),
    })
    .collect()
}

fn ingress(store: &Store<'_>) -> Child {
    let asked = &store.spec().networking.ingress;
    let backend = json!({ "service": { "name": store.name, "port": { "name": "http" } } });
    let paths = json!([{ "path": "/", "pathType": "Prefix", "backend": backend }]);
    let mut spec = json!({ "rules": [{ "host": asked.host, "http": { "paths": paths } }] });
    if let Some(class) = &asked.class_name {
        spec["ingressClassName"] = json!(class);
    }
    if asked.tls.enabled {
        let mut tls = json!({ "hosts": [asked.host] });
        if let Some(secret) = &asked.tls.secret_name {
            tls["secretName"] = json!(secret);
        }
        spec["tls"] = json!([tls]);
    }
    annotated(child(store, Kind::Ingress, &store.name, json!({ "spec": spec })), &json!(asked.annotations))
}

fn route(store: &Store<'_>) -> Child {
    let (ingress, asked) = (&store.spec().networking.ingress, &store.spec().openshift.route);
    let by_ingress = ingress.enabled && !asked.enabled;
    let mut spec = json!({
        "to": { "kind": "Service", "name": store.name, "weight": 100 },
        "port": { "targetPort": "http" },
    });
    if !by_ingress || ingress.tls.enabled {
        let mut tls = json!({ "termination": asked.termination.as_str() });
        tls["insecureEdgeTerminationPolicy"] = json!("Redirect");
        spec["tls"] = tls;
    }
    if let Some(host) = if by_ingress { &ingress.host } else { &asked.host } {
        spec["host"] = json!(host);
    }
    let annotations = if by_ingress { json!(ingress.annotations) } else { Value::Null };
    annotated(child(store, Kind::Route, &store.name, json!({ "spec": spec })), &annotations)
}

fn http_route(store: &Store<'_>) -> Child {
    let asked = &store.spec().networking.gateway;
    let backend = json!({ "name": store.name, "port": store.spec().networking.service.port });
    let spec = json!({
        "parentRefs": [asked.parent_ref],
        "hostnames": [asked.host],
        "rules": [{ "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }], "backendRefs": [backend] }],
    });
    child(store, Kind::HttpRoute, &store.name, json!({ "spec": spec }))
}
