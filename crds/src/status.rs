//! What the operator answers.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator found and did.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ZotArtifactStoreStatus {
    /// In one word, for people; programs look at `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What holds and what does not, one of each type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Servers that there are.
    pub replicas: i32,
    /// Servers that can take requests.
    pub ready_replicas: i32,
    /// Labels of the servers, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the store is reached.
    pub endpoints: Endpoints,
    /// The main endpoint within the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_endpoint: Option<String>,
    /// The version that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The generation of the resource that all this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// With the annotation `artifact.zotregistry.io/dry-run: "true"`: what would change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
}

/// Where the store is reached.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoints {
    /// OCI, REST, and S3 below `/s3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// S3 at its own port, within the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<String>,
    /// Metrics, within the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// A store's state in one word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// It has not served yet.
    Pending,
    /// It serves; whether all of it is as was asked, `Ready` says.
    Running,
    /// It does not serve, and somebody should look at it.
    Failed,
    /// It serves while it is being changed.
    Upgrading,
}

/// A closed list of words: `Self::ALL` and how each is written.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $word:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$why])* $word,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word,)+];

            /// As it is written.
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
    /// What a condition is about. A feature that is off has no condition; what is not known is `Unknown`.
    ConditionType {
        /// The sum: all that was asked for is there and serves.
        Ready,
        /// A change is under way.
        Progressing,
        /// Something is wrong that somebody should look at.
        Degraded,
        /// At least one server takes requests.
        Available,
        /// What was asked for makes sense.
        SpecValid,
        /// The place for bytes can be used.
        StorageReady,
        /// The database can be used.
        DatabaseReady,
        /// Clients outside the cluster can reach it.
        ExposureReady,
        /// Prometheus can find it.
        MonitoringReady,
        /// Somebody asked the operator to leave it alone.
        Paused,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// All servers take requests.
        AllReplicasReady,
        /// Fewer servers take requests than there should be.
        ReplicasUnavailable,
        /// Servers are being replaced.
        RolloutInProgress,
        /// Servers could not be replaced in time.
        RolloutDeadlineExceeded,
        /// An image cannot be pulled.
        ImagePullFailed,
        /// A server ends soon after it starts.
        ServerCrashes,
        /// No node has room for a server.
        PodUnschedulable,
        /// The cluster refuses a server's pod, or cannot start it.
        PodRefused,
        /// A server's pod has a node, and does not begin.
        PodNotStarted,
        /// Nothing is being changed.
        Settled,
        /// It makes sense.
        Valid,
        /// It makes no sense; the message says why.
        InvalidSpec,
        /// A Secret is not there.
        SecretNotFound,
        /// A ConfigMap is not there.
        ConfigMapNotFound,
        /// One of its keys is not there.
        SecretKeyMissing,
        /// What is in it cannot be used.
        SecretInvalid,
        /// It is being tried whether storage and database can be used.
        PreflightRunning,
        /// It could not be tried.
        PreflightFailed,
        /// The storage is there.
        StorageConfigured,
        /// The storage does not answer.
        StorageUnreachable,
        /// The bucket or container is not there.
        BucketNotFound,
        /// The credentials may not do what is needed.
        StorageAccessDenied,
        /// The volume waits for its storage.
        VolumePending,
        /// The volume is gone, or going, with what is on it.
        VolumeLost,
        /// The volume cannot become as large as it was asked to.
        VolumeNotResized,
        /// The database is there.
        DatabaseConfigured,
        /// The master key of access keys is gone.
        MasterKeyMissing,
        /// The database does not answer.
        DatabaseUnreachable,
        /// The server has no such database.
        DatabaseNotFound,
        /// The database that the operator made is gone, with what was in it.
        DatabaseLost,
        /// The database refuses the credentials.
        DatabaseAuthFailed,
        /// The database is being made.
        DatabaseProvisioning,
        /// The cluster has no such API.
        DependencyApiMissing,
        /// It can be reached.
        Exposed,
        /// A Route was not admitted.
        RouteNotAdmitted,
        /// An object of that name belongs to somebody else.
        Conflict,
        /// It can be found.
        Monitored,
        /// The API server refuses what was to be made.
        ApplyFailed,
        /// The user asked for it.
        PausedByUser,
        /// The user asked what would change.
        DryRun,
    }
}
