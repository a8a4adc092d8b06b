//! How clients reach the store.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{NAME, rule};

/// How clients reach the store.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Networking {
    /// The Service, by which pods of the cluster reach it.
    pub service: Service,
    /// An Ingress; on OpenShift a Route where the class says so.
    pub ingress: Ingress,
    /// An HTTPRoute of the Gateway API.
    pub gateway: Gateway,
    /// Whom servers accept connections of.
    pub network_policy: NetworkPolicy,
}

/// The Service.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// Its type.
    pub r#type: ServiceType,
    /// Its port for OCI, REST and S3 below `/s3`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Its annotations, such as those of a cloud's load balancer.
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
    /// Within the cluster alone.
    #[default]
    ClusterIP,
    /// At a port of each node.
    NodePort,
    /// By a load balancer of the cloud.
    LoadBalancer,
}

impl ServiceType {
    /// As a Service spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// An Ingress.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.enabled || has(self.host)", "networking.ingress.enabled needs networking.ingress.host"),
    rule("!self.enabled || !self.tls.enabled || has(self.tls.secretName) || (has(self.className) && self.className == 'openshift-default')", "networking.ingress.tls.enabled needs networking.ingress.tls.secretName"),
]))]
pub struct Ingress {
    /// Whether there is one.
    pub enabled: bool,
    /// Its class; `openshift-default` makes a Route where the cluster has Routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// The host by which clients reach the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its certificate.
    pub tls: IngressTls,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Certificate of an Ingress.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    /// Whether clients speak TLS to it.
    pub enabled: bool,
    /// A Secret of type `kubernetes.io/tls`.
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
    /// Whether there is one.
    pub enabled: bool,
    /// The host by which clients reach the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The Gateway that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ParentRef>,
}

/// A Gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Its name.
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: String,
    /// Its namespace; by default the store's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub namespace: Option<String>,
    /// Its listener; by default any one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

/// Whom servers accept connections of.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether there is one: it lets anybody in at the ports that are served, and nobody at others.
    pub enabled: bool,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// What OpenShift alone has.
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
    /// Whether there is one.
    pub enabled: bool,
    /// The host by which clients reach the store; by default OpenShift chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where TLS ends.
    pub termination: RouteTermination,
}

/// Where TLS of a Route ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTermination {
    /// At the router.
    #[default]
    Edge,
    /// At the servers, whose certificate clients see: needs `http.tls`.
    Passthrough,
    /// At the router, and again at the servers: needs `http.tls`.
    Reencrypt,
}

impl RouteTermination {
    /// As a Route spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Passthrough => "passthrough",
            Self::Reencrypt => "reencrypt",
        }
    }
}
