//! The pods: image, number, resources and rights.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NAME, rule};

/// The server's image. By default it is the image of the operator's version.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Image {
    /// Registry and repository, without a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Digest, `sha256:…`. It takes precedence over the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When nodes pull the image.
    pub pull_policy: PullPolicy,
    /// Secrets with credentials for pulling the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = NAME), length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub pull_secrets: Vec<String>,
}

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum PullPolicy {
    /// At each start of a pod.
    Always,
    /// If the node does not have the image.
    #[default]
    IfNotPresent,
    /// Never: the node must have the image.
    Never,
}

/// CPU and memory of one server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.requests.cpu) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0", "resources.requests.cpu is more than resources.limits.cpu (1000m by default): raise the limit too"),
    rule("!has(self.requests.memory) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0", "resources.requests.memory is more than resources.limits.memory (512Mi by default): raise the limit too"),
]))]
pub struct Resources {
    /// The amounts that are reserved for a server.
    pub requests: Quantities,
    /// The amounts that a server must not exceed.
    pub limits: Quantities,
}

impl Default for Resources {
    fn default() -> Self {
        let quantity = |text: &str| Some(IntOrString::String(text.to_owned()));
        let of = |cpu: &str, memory: &str| Quantities { cpu: quantity(cpu), memory: quantity(memory) };
        Self { requests: of("100m", "128Mi"), limits: of("1000m", "512Mi") }
    }
}

/// Amounts of CPU and memory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Quantities {
    /// CPU cores, such as `2` or `500m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[0-9]+(\.[0-9]+)?m?$"))]
    pub cpu: Option<IntOrString>,
    /// Memory, such as `512Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[0-9]+(\.[0-9]+)?(k|[MGT]|[KMGT]i)?$"))]
    pub memory: Option<IntOrString>,
}

/// Autoscaling: the number of servers follows their load.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.minReplicas <= self.maxReplicas", "autoscaling.minReplicas must not be more than autoscaling.maxReplicas"),
]))]
pub struct Autoscaling {
    /// Whether autoscaling is on.
    pub enabled: bool,
    /// The smallest number of servers.
    #[schemars(range(min = 1))]
    pub min_replicas: i32,
    /// The largest number of servers.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,
    /// Target CPU usage, in percent of the requested CPU.
    #[serde(rename = "targetCPUUtilization")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu_utilization: i32,
    /// Target memory usage, in percent of the requested memory.
    #[schemars(range(min = 1, max = 100))]
    pub target_memory_utilization: i32,
}

impl Default for Autoscaling {
    fn default() -> Self {
        Self {
            enabled: false,
            min_replicas: 1,
            max_replicas: 10,
            target_cpu_utilization: 80,
            target_memory_utilization: 80,
        }
    }
}

/// The `PodDisruptionBudget`: how many servers may be evicted at the same time. By default one, if there are several servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.minAvailable) || !has(self.maxUnavailable)", "podDisruptionBudget: set either minAvailable or maxUnavailable, not both"),
]))]
pub struct Disruption {
    /// Whether there is a budget. By default there is one if the store has several servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many servers must stay available: a number, or a percentage such as `50%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// How many servers may be unavailable: a number, or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}

/// User and group of the servers. By default the cluster or the image chooses them; OpenShift requires its own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.runAsNonRoot || !has(self.runAsUser) || self.runAsUser != 0", "securityContext.runAsUser 0 is root, which runAsNonRoot forbids: name another user, or none"),
]))]
pub struct Security {
    /// Whether Kubernetes refuses to run the servers as root.
    pub run_as_non_root: bool,
    /// User id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub run_as_group: Option<i64>,
    /// Group that owns the volumes. By default 65532, except on OpenShift.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub fs_group: Option<i64>,
    /// The seccomp profile: which system calls are allowed.
    pub seccomp_profile: SeccompProfile,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            run_as_non_root: true,
            run_as_user: None,
            run_as_group: None,
            fs_group: None,
            seccomp_profile: SeccompProfile::default(),
        }
    }
}

/// The seccomp profile: which system calls are allowed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SeccompProfile {
    /// The type of the profile.
    pub r#type: SeccompType,
}

/// A seccomp profile.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum SeccompType {
    /// The container runtime's.
    #[default]
    RuntimeDefault,
    /// No profile.
    Unconfined,
}

/// The ServiceAccount of the servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceAccount {
    /// An existing ServiceAccount. By default the operator creates one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: Option<String>,
    /// Annotations of the ServiceAccount. Clouds use them to give pods an identity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
