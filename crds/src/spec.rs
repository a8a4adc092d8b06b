//! What a user writes. There is one file for each group of fields.

mod database;
mod http;
mod networking;
mod observed;
mod pod;
mod rbac;
mod storage;

pub use database::{Cluster, Database, DatabaseType, Embedded, Postgres};
pub use http::{Auth, Bearer, Cors, Extensions, Http, HttpTls, Limits, S3Api, SupplyChain};
pub use networking::{
    Gateway, Ingress, IngressTls, NetworkPolicy, Networking, Openshift, ParentRef, Route, RouteTermination, Service,
    ServiceType,
};
pub use observed::{Log, LogFormat, LogLevel, Metrics, Prometheus, Tracing};
pub use pod::{
    Autoscaling, Disruption, Image, PullPolicy, Quantities, Resources, SeccompProfile, SeccompType, Security,
    ServiceAccount,
};
pub use rbac::{AdminSecret, Issuer, IssuerKind, Keycloak, Kubernetes, Rbac, SecretKey};
pub use storage::{AccessKeySecret, Azure, Gcs, S3, Storage, StorageType};
