//! The custom resource `ZotArtifactStore`: what a user writes ([`spec`]), what the operator reports ([`status`]), and the
//! `CustomResourceDefinition` ([`definition`]). The API server validates resources: single fields by the schema, combinations
//! by CEL rules, whose messages say what to do. There is no admission webhook.
//!
//! Defaults are `impl Default`. The schema contains the same defaults, so `spec: {}` means the same to the API server and to
//! the operator.
#![warn(missing_docs)] // clients show these texts

pub mod definition;
mod schema;
pub mod spec;
pub mod status;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule;
use crate::spec::{
    Auth, Autoscaling, Database, Disruption, Extensions, Http, Image, Limits, Log, Metrics, Networking, Openshift,
    Rbac, Resources, Security, ServiceAccount, Storage, SupplyChain,
};
use crate::status::ZotArtifactStoreStatus;

/// An artifact store: an OCI registry, an S3 API and a REST API over the same artifacts.
#[derive(Clone, CustomResource, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "artifact.zotregistry.io",
    version = "v1alpha1",
    kind = "ZotArtifactStore",
    plural = "zotartifactstores",
    shortname = "zas",
    shortname = "artifactstore",
    category = "storage",
    namespaced,
    doc = "An artifact store: an OCI registry, an S3 API and a REST API over the same artifacts.",
    status = "ZotArtifactStoreStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Replicas", "type": "integer", "jsonPath": ".status.readyReplicas"}"#,
    printcolumn = r#"{"name": "Paused", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Paused')].status", "priority": 1}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".status.version"}"#,
    printcolumn = r#"{"name": "Endpoint", "type": "string", "jsonPath": ".status.endpoints.api", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule(
        "self.database.type != 'embedded' || self.replicas <= 1",
        "database.type embedded allows one replica only: set replicas to 1, or database.type to postgres",
    ),
    rule(
        "self.database.type != 'embedded' || !self.autoscaling.enabled",
        "database.type embedded allows one replica only: switch autoscaling off, or set database.type to postgres",
    ),
    rule(
        "self.storage.type != 'filesystem' || (self.replicas <= 1 && !self.autoscaling.enabled)",
        "storage.type filesystem allows one replica only: set replicas to 1, or storage.type to s3, gcs or azure",
    ),
    rule(
        "!self.openshift.route.enabled || self.openshift.route.termination == 'edge' || self.http.tls.enabled",
        "openshift.route.termination passthrough and reencrypt need http.tls: enable it, or set termination to edge",
    ),
    rule(
        "!self.extensions.s3api.enabled || self.http.port != self.extensions.s3api.port",
        "http.port and extensions.s3api.port are the same, but servers listen on both: choose another port",
    ),
    rule(
        "!self.extensions.s3api.enabled || self.networking.service.port != self.extensions.s3api.port",
        "networking.service.port and extensions.s3api.port are the same, but the Service has both: choose another port",
    ),
    rule(
        "!has(self.podDisruptionBudget.minAvailable) || (has(self.podDisruptionBudget.enabled) && !self.podDisruptionBudget.enabled) || (self.autoscaling.enabled ? self.autoscaling.minReplicas : self.replicas) <= 1 || type(self.podDisruptionBudget.minAvailable) != int || int(self.podDisruptionBudget.minAvailable) < (self.autoscaling.enabled ? self.autoscaling.minReplicas : self.replicas)",
        "podDisruptionBudget.minAvailable has to be less than replicas (with autoscaling: less than minReplicas); otherwise no node can be drained",
    ),
]))]
pub struct ZotArtifactStoreSpec {
    /// The server's image. By default it is the image of the operator's version.
    pub image: Image,
    /// The number of servers, unless autoscaling is on.
    #[schemars(range(min = 1, max = 10))]
    pub replicas: i32,
    /// The HTTP server.
    pub http: Http,
    /// The storage for blobs.
    pub storage: Storage,
    /// The database for metadata.
    pub database: Database,
    /// Access control.
    pub rbac: Rbac,
    /// Registry tokens, temporary credentials and master keys.
    pub auth: Auth,
    /// The S3 API.
    pub extensions: Extensions,
    /// Signatures, SBOMs and attestations.
    pub supply_chain: SupplyChain,
    /// Metrics.
    pub metrics: Metrics,
    /// Limits of a server.
    pub limits: Limits,
    /// Logs.
    pub log: Log,
    /// Access to the store.
    pub networking: Networking,
    /// Settings for OpenShift.
    pub openshift: Openshift,
    /// CPU and memory of one server.
    pub resources: Resources,
    /// Autoscaling: the number of servers follows their load.
    pub autoscaling: Autoscaling,
    /// The `PodDisruptionBudget`: how many servers may be evicted at the same time.
    pub pod_disruption_budget: Disruption,
    /// User and group of the servers.
    pub security_context: Security,
    /// The ServiceAccount of the servers.
    pub service_account: ServiceAccount,
    /// Affinity of the pods. By default servers are spread over nodes and zones where possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<k8s_openapi::api::core::v1::Affinity>,
    /// Tolerations of the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<k8s_openapi::api::core::v1::Toleration>,
    /// Labels of the nodes on which servers may run.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub node_selector: std::collections::BTreeMap<String, String>,
}

impl Default for ZotArtifactStoreSpec {
    fn default() -> Self {
        Self {
            image: Image::default(),
            replicas: 1,
            http: Http::default(),
            storage: Storage::default(),
            database: Database::default(),
            rbac: Rbac::default(),
            auth: Auth::default(),
            extensions: Extensions::default(),
            supply_chain: SupplyChain::default(),
            metrics: Metrics::default(),
            limits: Limits::default(),
            log: Log::default(),
            networking: Networking::default(),
            openshift: Openshift::default(),
            resources: Resources::default(),
            autoscaling: Autoscaling::default(),
            pod_disruption_budget: Disruption::default(),
            security_context: Security::default(),
            service_account: ServiceAccount::default(),
            affinity: None,
            tolerations: Vec::new(),
            node_selector: std::collections::BTreeMap::new(),
        }
    }
}
