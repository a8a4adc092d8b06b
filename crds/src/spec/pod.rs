//! The pods: their image, number, size and rights.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{NAME, rule};

/// The server's image. Without any field it is the one that the operator was released with.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Image {
    /// Registry and name, without a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its digest, `sha256:…`, which wins over the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When nodes pull it.
    pub pull_policy: PullPolicy,
    /// Secrets by which nodes pull it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = NAME), length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub pull_secrets: Vec<String>,
}

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// If they do not have it.
    #[default]
    IfNotPresent,
    /// Never: they must have it.
    Never,
}

impl PullPolicy {
    /// As a container spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Processor and memory of a server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.requests.cpu) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0", "resources.requests.cpu is more than resources.limits.cpu (1000m by default): raise the limit too"),
    rule("!has(self.requests.memory) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0", "resources.requests.memory is more than resources.limits.memory (512Mi by default): raise the limit too"),
]))]
pub struct Resources {
    /// What is kept for it.
    pub requests: Quantities,
    /// What it gets at most.
    pub limits: Quantities,
}

impl Default for Resources {
    fn default() -> Self {
        let quantity = |text: &str| Some(IntOrString::String(text.to_owned()));
        let of = |cpu: &str, memory: &str| Quantities { cpu: quantity(cpu), memory: quantity(memory) };
        Self { requests: of("100m", "128Mi"), limits: of("1000m", "512Mi") }
    }
}

/// An amount of processor and memory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Quantities {
    /// Processors, such as `2` or `500m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[0-9]+(\.[0-9]+)?m?$"))]
    pub cpu: Option<IntOrString>,
    /// Memory, such as `512Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[0-9]+(\.[0-9]+)?(k|[MGT]|[KMGT]i)?$"))]
    pub memory: Option<IntOrString>,
}

/// The number of servers by their load.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.minReplicas <= self.maxReplicas", "autoscaling.minReplicas must not be more than autoscaling.maxReplicas"),
]))]
pub struct Autoscaling {
    /// Whether load decides.
    pub enabled: bool,
    /// Fewest servers.
    #[schemars(range(min = 1))]
    pub min_replicas: i32,
    /// Most servers.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,
    /// Use of the requested processor, in percent, that it aims at.
    #[serde(rename = "targetCPUUtilization")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu_utilization: i32,
    /// Use of the requested memory, in percent, that it aims at.
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

/// How many servers a drained node may take away. By default one at a time, where there are several.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!has(self.minAvailable) || !has(self.maxUnavailable)", "podDisruptionBudget: set either minAvailable or maxUnavailable, not both"),
]))]
pub struct Disruption {
    /// Whether it is limited: by default where there are several servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// So many must stay, a number or a share such as `50%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// So many may be away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}

/// As whom the servers run. Ids are the cluster's choice unless they are given: OpenShift insists on its own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("!self.runAsNonRoot || !has(self.runAsUser) || self.runAsUser != 0", "securityContext.runAsUser 0 is root, which runAsNonRoot forbids: name another user, or none"),
]))]
pub struct Security {
    /// Never as root.
    pub run_as_non_root: bool,
    /// User id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub run_as_group: Option<i64>,
    /// Group that owns volumes. Without one of them, and not on OpenShift, 65532.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub fs_group: Option<i64>,
    /// What system calls are allowed.
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

/// What system calls are allowed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SeccompProfile {
    /// Which profile.
    pub r#type: SeccompType,
}

/// A profile of system calls.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum SeccompType {
    /// The container runtime's.
    #[default]
    RuntimeDefault,
    /// None.
    Unconfined,
}

impl SeccompType {
    /// As a pod spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RuntimeDefault => "RuntimeDefault",
            Self::Unconfined => "Unconfined",
        }
    }
}

/// The ServiceAccount of the servers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceAccount {
    /// One that is there; by default the operator makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME), length(max = 253))]
    pub name: Option<String>,
    /// Its annotations, by which clouds give pods an identity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
