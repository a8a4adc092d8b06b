//! What the operator reports.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status of a store.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ZotArtifactStoreStatus {
    /// A summary in one word, for people. Programs should use `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The conditions, at most one of each type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The number of servers.
    pub replicas: i32,
    /// The number of servers that are ready.
    pub ready_replicas: i32,
    /// Label selector of the servers, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// URLs of the store.
    pub endpoints: Endpoints,
    /// The main URL inside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_endpoint: Option<String>,
    /// The version that all servers run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image that all servers run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The generation of the resource that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What would change, with the annotation `artifact.zotregistry.io/dry-run: "true"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
}

/// URLs of the store.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoints {
    /// OCI API, REST API, and S3 API below `/s3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// S3 API on its own port, inside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<String>,
    /// Metrics, inside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// The state of a store in one word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// It has not served yet.
    Pending,
    /// It serves. `Ready` tells whether it serves the newest spec.
    Running,
    /// It does not serve, and somebody should look at it.
    Failed,
    /// It serves while servers are replaced.
    Upgrading,
}

/// An enum whose variants are written as their names.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $word:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$why])* $word,)+
        }

        impl $name {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$word,)+];

            /// The name, as it appears in conditions.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The type of a condition. A feature that is off has no condition.
    ConditionType {
        /// The summary: the newest spec is applied and all servers are available.
        Ready,
        /// Servers are being started or replaced.
        Progressing,
        /// There is a problem that somebody should look at.
        Degraded,
        /// At least one server is available.
        Available,
        /// The spec is valid.
        SpecValid,
        /// The bucket or the volume can be used.
        StorageReady,
        /// The database can be used.
        DatabaseReady,
        /// The Ingress, Route or HTTPRoute exists.
        ExposureReady,
        /// The objects for the Prometheus operator exist.
        MonitoringReady,
        /// The operator is paused for this store.
        Paused,
    }
}

words! {
    /// The reason of a condition.
    Reason {
        /// All servers are available.
        AllReplicasReady,
        /// Fewer servers are available than required.
        ReplicasUnavailable,
        /// Servers are being replaced.
        RolloutInProgress,
        /// Servers could not be replaced in time.
        RolloutDeadlineExceeded,
        /// An image cannot be pulled.
        ImagePullFailed,
        /// A server exits soon after its start.
        ServerCrashes,
        /// No node can run a server.
        PodUnschedulable,
        /// The cluster refuses a server's pod, or cannot start its container.
        PodRefused,
        /// A server's pod has a node, but does not start.
        PodNotStarted,
        /// No change is under way.
        Settled,
        /// The spec is valid.
        Valid,
        /// The spec is invalid.
        InvalidSpec,
        /// A Secret does not exist.
        SecretNotFound,
        /// A ConfigMap does not exist.
        ConfigMapNotFound,
        /// A Secret or ConfigMap lacks a key.
        SecretKeyMissing,
        /// A Secret's value cannot be used.
        SecretInvalid,
        /// The preflight is running.
        PreflightRunning,
        /// The preflight failed without a result.
        PreflightFailed,
        /// The storage can be used.
        StorageConfigured,
        /// The storage does not answer.
        StorageUnreachable,
        /// The bucket or container does not exist.
        BucketNotFound,
        /// The credentials lack rights.
        StorageAccessDenied,
        /// The volume is not bound yet.
        VolumePending,
        /// The volume is gone or being deleted, with its data.
        VolumeLost,
        /// The volume cannot have the requested size.
        VolumeNotResized,
        /// The database can be used.
        DatabaseConfigured,
        /// The master key is gone.
        MasterKeyMissing,
        /// The database does not answer.
        DatabaseUnreachable,
        /// The server has no such database.
        DatabaseNotFound,
        /// The CloudNativePG cluster is gone, with its data.
        DatabaseLost,
        /// The database refuses the credentials.
        DatabaseAuthFailed,
        /// CloudNativePG is creating the database.
        DatabaseProvisioning,
        /// The cluster lacks an API.
        DependencyApiMissing,
        /// The Ingress, Route or HTTPRoute exists.
        Exposed,
        /// A Route was not admitted.
        RouteNotAdmitted,
        /// An object of the same name belongs to somebody else.
        Conflict,
        /// The objects for the Prometheus operator exist.
        Monitored,
        /// The API server refuses an object.
        ApplyFailed,
        /// The user paused the store.
        PausedByUser,
        /// The user requested a plan of changes.
        DryRun,
    }
}
