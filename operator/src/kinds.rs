//! The kinds of objects that the operator creates, and which optional ones the cluster knows.

use std::collections::BTreeSet;

use kube::Client;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;

use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectKind {
    ServiceAccount,
    Secret,
    ConfigMap,
    PersistentVolumeClaim,
    PostgresCluster,
    Service,
    NetworkPolicy,
    Job,
    Deployment,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    Ingress,
    Route,
    HttpRoute,
    ServiceMonitor,
    PrometheusRule,
}

impl ObjectKind {
    /// In the order in which they are applied.
    pub(crate) const ALL: &[Self] = &[
        Self::ServiceAccount,
        Self::Secret,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::PostgresCluster,
        Self::Service,
        Self::NetworkPolicy,
        Self::Job,
        Self::Deployment,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
        Self::Ingress,
        Self::Route,
        Self::HttpRoute,
        Self::ServiceMonitor,
        Self::PrometheusRule,
    ];

    /// Group, version, kind and plural.
    const fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::PersistentVolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::PostgresCluster => ("postgresql.cnpg.io", "v1", "Cluster", "clusters"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::Job => ("batch", "v1", "Job", "jobs"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::HorizontalPodAutoscaler => {
                ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            }
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress", "ingresses"),
            Self::Route => ("route.openshift.io", "v1", "Route", "routes"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::ServiceMonitor => ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
            Self::PrometheusRule => ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
        }
    }

    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.names().2
    }

    /// Whether a cluster may not know this kind.
    pub(crate) const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::PostgresCluster | Self::Route | Self::HttpRoute | Self::ServiceMonitor | Self::PrometheusRule
        )
    }

    /// Whether the object stays when the store no longer needs it: its data cannot be created again.
    pub(crate) const fn is_retained(self) -> bool {
        matches!(self, Self::Secret | Self::PersistentVolumeClaim | Self::PostgresCluster)
    }
}

/// The optional kinds that the cluster knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Apis {
    kinds: BTreeSet<ObjectKind>,
    openshift: bool,
}

impl Apis {
    #[cfg(test)]
    pub(crate) fn new(kinds: impl IntoIterator<Item = ObjectKind>, openshift: bool) -> Self {
        Self { kinds: kinds.into_iter().collect(), openshift }
    }

    /// Queries the API server. For a group whose server does not answer, the result is the one in `known`.
    pub(crate) async fn discover(client: &Client, known: &Self) -> Result<Self, Error> {
        let groups = client.list_api_groups().await.map_err(Error::api("listing the cluster's APIs"))?;
        let names: BTreeSet<&str> = groups.groups.iter().map(|group| group.name.as_str()).collect();
        let mut kinds = BTreeSet::new();
        for kind in ObjectKind::ALL.iter().filter(|kind| kind.is_optional()) {
            let (group, version, name, _) = kind.names();
            if !names.contains(group) {
                continue;
            }
            let served = match client.list_api_group_resources(&format!("{group}/{version}")).await {
                Ok(served) => served.resources.iter().any(|resource| resource.kind == name),
                // the cluster has the group in another version
                Err(kube::Error::Api(status)) if status.code == 404 => false,
                Err(_) => known.kinds.contains(kind),
            };
            if served {
                kinds.insert(*kind);
            }
        }
        Ok(Self { kinds, openshift: names.contains("security.openshift.io") })
    }

    pub(crate) fn has(&self, kind: ObjectKind) -> bool {
        !kind.is_optional() || self.kinds.contains(&kind)
    }

    /// OpenShift assigns user and group ids to pods itself.
    pub(crate) fn is_openshift(&self) -> bool {
        self.openshift
    }
}
