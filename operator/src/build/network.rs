//! The Services and the `NetworkPolicy`.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use zot_crds::spec::ServiceType;

use super::object::{Child, owned, servers, word};
use crate::kinds::ObjectKind;
use crate::labels::selector;
use crate::validate::ValidSpec;

pub(super) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    [Some(service(store)), metrics(store), policy(store)].into_iter().flatten().collect()
}

/// Whether the S3 API has its own port.
pub(super) fn has_s3_port(store: &ValidSpec<'_>) -> bool {
    let s3api = &store.spec().extensions.s3api;
    s3api.enabled && s3api.port > 0
}

fn service(store: &ValidSpec<'_>) -> Child {
    let (service, s3api) = (&store.spec().networking.service, &store.spec().extensions.s3api);
    let s3 = has_s3_port(store).then(|| port("s3", s3api.port, "s3"));
    let ports = [Some(port("http", service.port, "http")), s3].into_iter().flatten().collect();
    let body = service_body(store, word(&service.r#type), ports);
    owned(store, ObjectKind::Service, &store.name, body).annotated(&service.annotations)
}

pub(super) fn has_metrics(store: &ValidSpec<'_>) -> bool {
    let metrics = &store.spec().metrics;
    metrics.enabled && metrics.prometheus.enabled
}

fn metrics(store: &ValidSpec<'_>) -> Option<Child> {
    has_metrics(store).then(|| {
        let ports = vec![port("metrics", store.spec().metrics.prometheus.port, "http")];
        let body = service_body(store, word(&ServiceType::ClusterIP), ports);
        owned(store, ObjectKind::Service, &format!("{}-metrics", store.name), body).with_component("metrics")
    })
}

fn port(name: &str, port: i32, target: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(target.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

fn service_body(store: &ValidSpec<'_>, kind: String, ports: Vec<ServicePort>) -> Service {
    let spec = ServiceSpec {
        type_: Some(kind),
        selector: Some(selector(&store.name)),
        ports: Some(ports),
        ..ServiceSpec::default()
    };
    Service { spec: Some(spec), ..Service::default() }
}

fn policy(store: &ValidSpec<'_>) -> Option<Child> {
    store.spec().networking.network_policy.enabled.then(|| {
        let port = |name: &str| NetworkPolicyPort {
            port: Some(IntOrString::String(name.to_owned())),
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        };
        let ports = ["http"].into_iter().chain(has_s3_port(store).then_some("s3")).map(port).collect();
        let spec = NetworkPolicySpec {
            pod_selector: Some(servers(store)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { ports: Some(ports), ..Default::default() }]),
            ..NetworkPolicySpec::default()
        };
        let body = NetworkPolicy { spec: Some(spec), ..NetworkPolicy::default() };
        owned(store, ObjectKind::NetworkPolicy, &store.name, body)
    })
}
