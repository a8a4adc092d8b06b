//! What sets a reconciliation off: the resource, what was made of it, what it refers to, and a change of the cluster's APIs.
//! Of all but the resources themselves metadata alone is watched, so that other people's Secrets cost no memory.

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

use super::{CONCURRENCY, Context, Guarded};
use crate::build::{INSTANCE, MANAGED_BY, OPERATOR};
use crate::references::{Source, references};

/// How long it is waited for more of what set a reconciliation off. Each one begins it anew: somebody who writes again and again
/// must not keep it from coming.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Resources that the API server sends at once when all are asked for.
const PAGE: u32 = 50;

/// Pause after a watch that failed.
///
/// A controller has one pause for all of its watches. If it grew with each failure, an API server that starts again and has
/// forgotten what it told each watch would be understood after minutes, watch by watch.
#[derive(Debug)]
struct Steady(Duration);

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0)
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// A controller of one namespace, or of all.
pub(super) fn controller(context: &Arc<Context>, namespace: Option<&str>) -> Controller<Guarded> {
    let client = &context.client;
    let resources: Api<Guarded> = api(client, namespace);
    let ours = watcher::Config::default().labels(&format!("{MANAGED_BY}={OPERATOR}"));
    let config = Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
    let pause = Steady(Duration::from_millis(400));
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
    // volumes have no owner, as they stay
    let by_label = |object: PartialObjectMeta<PersistentVolumeClaim>| {
        let store = object.labels().get(INSTANCE).cloned();
        store.map(|name| ObjectRef::new(&name).within(&object.namespace().unwrap_or_default()))
    };
    let controller =
        controller.watches(api::<PartialObjectMeta<PersistentVolumeClaim>>(client, namespace), ours, by_label);
    let (secrets, maps) = (store.clone(), store);
    let controller = controller
        .watches(api::<PartialObjectMeta<Secret>>(client, namespace), watcher::Config::default(), move |object| {
            concerned(&secrets, Source::Secret, &object)
        })
        .watches(api::<PartialObjectMeta<ConfigMap>>(client, namespace), watcher::Config::default(), move |object| {
            concerned(&maps, Source::ConfigMap, &object)
        });
    controller.reconcile_all_on(changes(context.apis.clone()))
}

/// The stores that a Secret or ConfigMap concerns: those that refer to it, and the one that it was made for.
fn concerned<K>(stores: &Store<Guarded>, source: Source, object: &PartialObjectMeta<K>) -> Vec<ObjectRef<Guarded>>
where
    K: Resource<DynamicType = ()>,
{
    let (name, namespace) = (object.name_any(), object.namespace());
    let made_for = object.labels().get(INSTANCE);
    let stores = stores.state();
    let concerned = stores.iter().filter_map(|store| store.0.as_ref().ok()).filter(|store| {
        // one that was restored may have no labels
        let own = || ["admin", "keys"].iter().any(|of| name == format!("{}-{of}", store.name_any()));
        let refers = || {
            source == Source::Secret && own()
                || references(store).iter().any(|it| it.source == source && it.name == name)
        };
        store.namespace() == namespace && (made_for == store.metadata.name.as_ref() || refers())
    });
    concerned.map(|store| ObjectRef::new(&store.name_any()).within(&store.namespace().unwrap_or_default())).collect()
}

/// An item for each change; ends with its sender.
fn changes<T: Send + Sync + 'static>(receiver: watch::Receiver<T>) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(receiver, async |mut receiver| {
        receiver.changed().await.ok()?;
        receiver.borrow_and_update();
        Some(((), receiver))
    })
}
