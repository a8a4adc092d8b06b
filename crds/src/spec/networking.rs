//! Access to the store.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NAME, rule};

/// Access to the store.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Networking {
    /// The Service for clients inside the cluster.
    pub service: Service,
    /// An Ingress. With the class `openshift-default` it is a Route on OpenShift.
    pub ingress: Ingress,
    /// An HTTPRoute of the Gateway API.
    pub gateway: Gateway,
    /// The `NetworkPolicy` of the servers.
    pub network_policy: NetworkPolicy,
}

/// The Service.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// Type of the Service.
    pub r#type: ServiceType,
    /// Port for the OCI API, the REST API, and the S3 API below `/s3`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Annotations of the Service, such as those of a cloud's load balancer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Default for Service {
    fn default() -> Self {
        Self { r#type: ServiceType::ClusterIP, port: 8080, annotations: BTreeMap::new() }
    }
}

/// Type of a Service.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum ServiceType {
    /// Inside the cluster only.
    #[default]
    ClusterIP,
    /// A port on each node.
    NodePort,
    /// A load balancer of the cloud.
    LoadBalancer,
}

/// An Ingress.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled || has(self.host)", "networking.ingress.enabled needs networking.ingress.host"),
    rule("!self.enabled || !self.tls.enabled || has(self.tls.secretName) || (has(self.className) && self.className == 'openshift-default')", "networking.ingress.tls.enabled needs networking.ingress.tls.secretName"),
]))]
pub struct Ingress {
    /// Whether it is created.
    pub enabled: bool,
    /// Ingress class. `openshift-default` creates a Route if the cluster has Routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Host name that clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TLS of the Ingress.
    pub tls: IngressTls,
    /// Annotations of the Ingress.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// TLS of an Ingress.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    /// Whether clients connect with TLS.
    pub enabled: bool,
    /// Secret of type `kubernetes.io/tls` with the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub secret_name: Option<String>,
}

/// An HTTPRoute of the Gateway API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled || (has(self.host) && has(self.parentRef))", "networking.gateway.enabled needs networking.gateway.host and networking.gateway.parentRef"),
]))]
pub struct Gateway {
    /// Whether it is created.
    pub enabled: bool,
    /// Host name that clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The Gateway that the HTTPRoute attaches to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ParentRef>,
}

/// A Gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
    /// Namespace of the Gateway. The default is the store's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub namespace: Option<String>,
    /// Listener of the Gateway. By default any listener that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

/// The `NetworkPolicy` of the servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether it is created. It allows connections to the ports of the servers, and to no other port.
    pub enabled: bool,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Settings for OpenShift.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Openshift {
    /// A Route.
    pub route: Route,
}

/// A Route.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Route {
    /// Whether it is created.
    pub enabled: bool,
    /// Host name that clients use. By default OpenShift chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where TLS is terminated.
    pub termination: RouteTermination,
}

/// Where the TLS of a Route is terminated.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTermination {
    /// At the router.
    #[default]
    Edge,
    /// At the servers: needs `http.tls`.
    Passthrough,
    /// At the router, with a second TLS connection to the servers: needs `http.tls`.
    Reencrypt,
}
