//! Runs reconciliations: what triggers one, its steps, and retries.

pub(crate) mod client;
mod reconcile;
mod report;
mod triggers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Client, Config, ResourceExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zot_crds::ZotArtifactStore;

use crate::arguments::OperatorArguments;
use crate::error::Error;
use crate::events::Events;
use crate::kinds::Apis;
use crate::lease::{Fence, LeaseCandidate, LeaseTimes};
use crate::metrics::OperatorMetrics;
use crate::{ambient, serve};

/// A resource, or the error of one that cannot be decoded.
type Guarded = DeserializeGuard<ZotArtifactStore>;

/// Interval of checks which optional APIs the cluster has.
const DISCOVERY: Duration = Duration::from_secs(30);
/// Interval at which a repeated failure is logged.
const REPEAT_LOG: Duration = Duration::from_mins(1);
/// Most resources whose failures are counted.
const FAILURES_MAX: usize = 10_000;
const CONCURRENCY: u16 = 8;

/// Shared by all reconciliations.
struct OperatorContext {
    client: Client,
    server_image: String,
    resync: Duration,
    events: Events,
    metrics: Arc<OperatorMetrics>,
    apis: watch::Receiver<Apis>,
    /// Consecutive failures by the uid of the resource.
    failures: Mutex<HashMap<String, u32>>,
}

impl OperatorContext {
    /// Consecutive failures of a store, without the current reconciliation.
    fn failures(&self, store: &ZotArtifactStore) -> u32 {
        let uid = store.uid().unwrap_or_default();
        self.failures.lock().map_or(0, |failures| failures.get(&uid).copied().unwrap_or(0))
    }
}

/// Runs until SIGTERM, or until the lease is lost.
pub(crate) async fn run(arguments: &OperatorArguments) -> Result<(), Error> {
    let config = Config::infer().await.map_err(|error| {
        Error::Argument(format!("cannot find a cluster: {error}; set KUBECONFIG, or run the operator in a pod"))
    })?;
    let metrics = Arc::new(OperatorMetrics::new());
    let (health, metrics_at) = (arguments.health_probe_bind_address, arguments.metrics_bind_address);
    serve::serve(health, metrics_at, Arc::clone(&metrics)).await?;
    let mut stopped = std::pin::pin!(stop());
    let identity = arguments.pod_name.clone().unwrap_or_else(|| format!("operator-{}", ambient::random_id()));
    let fence = arguments.leader_elect.then(Fence::default);
    let client = client::of_controller(config.clone(), fence.clone())?;
    let mut candidate = fence.map(|fence| candidate(config, arguments, &identity, fence)).transpose()?;
    if let Some(candidate) = &mut candidate {
        tokio::select! {
            () = candidate.win() => {}
            () = &mut stopped => return Ok(()),
        }
    }
    metrics.leader.set(1);
    let outcome = {
        let held = async {
            match &mut candidate {
                Some(candidate) => candidate.hold().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = control(client, arguments, &identity, Arc::clone(&metrics)) => outcome,
            () = held => Err(Error::LeaseLost),
            () = &mut stopped => Ok(()),
        }
    };
    if let (Some(candidate), Ok(())) = (&mut candidate, &outcome) {
        candidate.release().await;
    }
    outcome
}

fn candidate(
    config: Config,
    arguments: &OperatorArguments,
    identity: &str,
    fence: Fence,
) -> Result<LeaseCandidate, Error> {
    let namespace = arguments.pod_namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let times = LeaseTimes::of(Duration::from_secs(u64::from(arguments.lease_duration)));
    Ok(LeaseCandidate::new(client::of_lease(config)?, &namespace, identity.to_owned(), times, fence))
}

async fn stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Runs one controller for each namespace, or one for all namespaces.
async fn control(
    client: Client,
    arguments: &OperatorArguments,
    identity: &str,
    metrics: Arc<OperatorMetrics>,
) -> Result<(), Error> {
    let (changed, apis) = watch::channel(Apis::discover(&client, &Apis::default()).await?);
    let context = Arc::new(OperatorContext {
        events: Events::new(client.clone(), identity),
        client: client.clone(),
        server_image: arguments.server_image.clone(),
        resync: arguments.resync(),
        metrics,
        apis,
        failures: Mutex::default(),
    });
    let mut namespaces: Vec<Option<String>> = arguments.namespaces().into_iter().map(Some).collect();
    if namespaces.is_empty() {
        namespaces.push(None);
    }
    tracing::info!(?namespaces, image = context.server_image, "watching");
    let controllers = namespaces.into_iter().map(|namespace| watch_namespace(Arc::clone(&context), namespace));
    tokio::select! {
        _ = join_all(controllers) => Ok(()),
        () = follow_apis(client, changed) => Ok(()),
    }
}

/// Checks the optional APIs regularly: when one is installed, the stores that need it are reconciled.
async fn follow_apis(client: Client, changed: watch::Sender<Apis>) {
    loop {
        tokio::time::sleep(DISCOVERY).await;
        let known = changed.borrow().clone();
        match Apis::discover(&client, &known).await {
            Ok(found) => {
                changed.send_if_modified(|known| {
                    let differs = *known != found;
                    if differs {
                        tracing::info!(?found, "the cluster's APIs have changed");
                        *known = found;
                    }
                    differs
                });
            }
            Err(error) => tracing::warn!(%error, "cannot list the cluster's APIs"),
        }
    }
}

async fn watch_namespace(context: Arc<OperatorContext>, namespace: Option<String>) {
    let controller = triggers::controller(&context, namespace.as_deref());
    let mut done = std::pin::pin!(controller.run(reconcile::reconcile, on_error, context));
    let mut logged: Option<(String, Instant)> = None;
    while let Some(outcome) = done.next().await {
        match outcome {
            Ok((object, _)) => tracing::debug!(%object, "reconciled"),
            Err(kube::runtime::controller::Error::ObjectNotFound(_)) => {} // deleted meanwhile
            Err(error) => {
                // a refused watch fails several times a second
                let error = chain(&error);
                let again = logged.as_ref().is_some_and(|(text, when)| *text == error && when.elapsed() < REPEAT_LOG);
                if !again {
                    tracing::warn!(error, "reconciliation failed");
                    logged = Some((error, Instant::now()));
                }
            }
        }
    }
}

/// Retries with exponential backoff.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the controller calls")]
fn on_error(object: Arc<Guarded>, _error: &Error, context: Arc<OperatorContext>) -> Action {
    context.metrics.failures.inc();
    let attempt = context.failures.lock().map_or(1, |mut failures| {
        if failures.len() > FAILURES_MAX {
            // most of them belong to deleted resources
            failures.clear();
        }
        let attempt = failures.entry(object.uid().unwrap_or_default()).or_default();
        *attempt += 1;
        *attempt
    });
    let wait = Duration::from_secs(1 << attempt.min(8)).min(Duration::from_mins(5));
    Action::requeue(wait.mul_f64(0.75 + ambient::random_up_to(0.25)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}
