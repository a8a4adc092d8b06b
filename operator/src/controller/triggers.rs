//! What triggers a reconciliation: the resource, its objects, what it refers to, and a change of the cluster's APIs. Only
//! metadata of Secrets and ConfigMaps is watched, so that other people's Secrets cost no memory.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use tokio::sync::watch;

use super::{CONCURRENCY, Guarded, OperatorContext};
use crate::labels::{INSTANCE, MANAGED_BY, OPERATOR};
use crate::references::{InputKind, references};

/// Triggers within this time cause one reconciliation. Each trigger restarts the time, so it must be short: frequent writes
/// would postpone the reconciliation for ever.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Page size when all resources are listed.
const PAGE: u32 = 50;

/// The pause after a failed watch.
///
/// A controller has one backoff for all of its watches. An API server that restarts expires each of them in turn. With a
/// growing pause, the operator would see nothing for minutes.
#[derive(Debug)]
struct ConstantBackoff(Duration);

impl Iterator for ConstantBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0)
    }
}

impl Backoff for ConstantBackoff {
    fn reset(&mut self) {}
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// A controller for one namespace, or for all namespaces.
pub(super) fn controller(context: &Arc<OperatorContext>, namespace: Option<&str>) -> Controller<Guarded> {
    let client = &context.client;
    let resources: Api<Guarded> = api(client, namespace);
    let ours = watcher::Config::default().labels(&format!("{MANAGED_BY}={OPERATOR}"));
    let config = Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
    let pause = ConstantBackoff(Duration::from_millis(400));
    let controller = Controller::new(resources, watcher::Config::default().page_size(PAGE))
        .with_config(config)
        .trigger_backoff(pause);
    let store = controller.store();
    let controller = controller
        .owns(api::<Deployment>(client, namespace), ours.clone())
        .owns(api::<Job>(client, namespace), ours.clone())
        .owns(api::<Service>(client, namespace), ours.clone())
        .owns(api::<ServiceAccount>(client, namespace), ours.clone())
        .owns(api::<ConfigMap>(client, namespace), ours.clone())
        .owns(api::<NetworkPolicy>(client, namespace), ours.clone())
        .owns(api::<PodDisruptionBudget>(client, namespace), ours.clone())
        .owns(api::<HorizontalPodAutoscaler>(client, namespace), ours.clone())
        .owns(api::<Ingress>(client, namespace), ours.clone());
    // volumes have no owner reference, because they are retained
    let by_label = |object: PartialObjectMeta<PersistentVolumeClaim>| {
        let store = object.labels().get(INSTANCE).cloned();
        store.map(|name| ObjectRef::new(&name).within(&object.namespace().unwrap_or_default()))
    };
    let controller =
        controller.watches(api::<PartialObjectMeta<PersistentVolumeClaim>>(client, namespace), ours, by_label);
    let (secrets, maps) = (store.clone(), store);
    let controller = controller
        .watches(api::<PartialObjectMeta<Secret>>(client, namespace), watcher::Config::default(), move |object| {
            affected(&secrets, InputKind::Secret, &object)
        })
        .watches(api::<PartialObjectMeta<ConfigMap>>(client, namespace), watcher::Config::default(), move |object| {
            affected(&maps, InputKind::ConfigMap, &object)
        });
    controller.reconcile_all_on(changes(context.apis.clone()))
}

/// The stores that refer to a Secret or ConfigMap, and the store that it was created for.
fn affected<K>(stores: &Store<Guarded>, kind: InputKind, object: &PartialObjectMeta<K>) -> Vec<ObjectRef<Guarded>>
where
    K: Resource<DynamicType = ()>,
{
    let (name, namespace) = (object.name_any(), object.namespace());
    let created_for = object.labels().get(INSTANCE);
    let stores = stores.state();
    let affected = stores.iter().filter_map(|store| store.0.as_ref().ok()).filter(|store| {
        // a restored Secret may have no labels
        let own = || ["admin", "keys"].iter().any(|of| name == format!("{}-{of}", store.name_any()));
        let refers = || {
            kind == InputKind::Secret && own() || references(store).iter().any(|it| it.kind == kind && it.name == name)
        };
        store.namespace() == namespace && (created_for == store.metadata.name.as_ref() || refers())
    });
    affected.map(|store| ObjectRef::new(&store.name_any()).within(&store.namespace().unwrap_or_default())).collect()
}

/// An item for each change. The stream ends when the sender is dropped.
fn changes<T: Send + Sync + 'static>(receiver: watch::Receiver<T>) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(receiver, async |mut receiver| {
        receiver.changed().await.ok()?;
        receiver.borrow_and_update();
        Some(((), receiver))
    })
}
