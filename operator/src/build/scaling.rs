//! The `HorizontalPodAutoscaler` and the `PodDisruptionBudget`.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::object::{Child, owned, servers};
use crate::kinds::ObjectKind;
use crate::validate::ValidSpec;

pub(super) fn children(store: &ValidSpec<'_>) -> Vec<Child> {
    autoscaler(store).into_iter().chain(disruption(store)).collect()
}

fn autoscaler(store: &ValidSpec<'_>) -> Option<Child> {
    let scaling = &store.spec().autoscaling;
    scaling.enabled.then(|| {
        let metric = |name: &str, percent: i32| {
            let target = MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            };
            let resource = Some(ResourceMetricSource { name: name.to_owned(), target });
            MetricSpec { type_: "Resource".to_owned(), resource, ..MetricSpec::default() }
        };
        let spec = HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: store.name.clone(),
            },
            min_replicas: Some(scaling.min_replicas),
            max_replicas: scaling.max_replicas,
            metrics: Some(vec![
                metric("cpu", scaling.target_cpu_utilization),
                metric("memory", scaling.target_memory_utilization),
            ]),
            ..HorizontalPodAutoscalerSpec::default()
        };
        let body = HorizontalPodAutoscaler { spec: Some(spec), ..HorizontalPodAutoscaler::default() };
        owned(store, ObjectKind::HorizontalPodAutoscaler, &store.name, body)
    })
}

/// A single server gets no budget: with one, its node could never be drained.
fn disruption(store: &ValidSpec<'_>) -> Option<Child> {
    let (budget, scaling) = (&store.spec().pod_disruption_budget, &store.spec().autoscaling);
    let fewest = if scaling.enabled { scaling.min_replicas } else { store.spec().replicas };
    // `maxUnavailable` counts the current servers, so it lets a single one go
    let several = fewest > 1 || scaling.enabled && scaling.max_replicas > 1 && budget.min_available.is_none();
    (several && budget.enabled.unwrap_or(true)).then(|| {
        let max_unavailable = budget.max_unavailable.clone().unwrap_or(IntOrString::Int(1));
        let spec = PodDisruptionBudgetSpec {
            selector: Some(servers(store)),
            // a server that is not ready must not block its node
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            min_available: budget.min_available.clone(),
            max_unavailable: budget.min_available.is_none().then_some(max_unavailable),
        };
        let body = PodDisruptionBudget { spec: Some(spec), ..PodDisruptionBudget::default() };
        owned(store, ObjectKind::PodDisruptionBudget, &store.name, body)
    })
}
