//! Leader election, with the semantics of Kubernetes' own components (client-go, `leaderelection`).
//!
//! - A lease is written only over the version that was read (compare and swap), so two replicas cannot both win.
//! - A lease has expired if *this* process has seen it unchanged for its duration. The clock of the other replica does not
//!   count.
//! - A leader that cannot renew the lease in time exits before another replica may take it.
//! - Until the leader notices that, the [`Fence`] blocks its writes. A process that was suspended and resumes writes nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::ambient;

const NAME: &str = "zot-artifact-store-operator";

#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTimes {
    /// Without a renewal, other replicas may take the lease after this time.
    pub(crate) lease: Duration,
    /// Without a renewal, the leader gives up after this time.
    pub(crate) renew: Duration,
    /// The interval of attempts.
    pub(crate) retry: Duration,
}

impl LeaseTimes {
    /// The proportions of client-go: 15, 10 and 2 seconds.
    pub(crate) fn of(lease: Duration) -> Self {
        Self { lease, renew: lease * 2 / 3, retry: lease * 2 / 15 }
    }
}

/// Until when this replica may write. It is closed until the lease is won, and after a renewal is late.
#[derive(Clone, Default)]
pub(crate) struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    pub(crate) fn is_open(&self) -> bool {
        !self.left().is_zero()
    }

    fn left(&self) -> Duration {
        let until = self.0.lock().map_or(None, |until| *until);
        until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    pub(crate) fn open_until(&self, end: Instant) {
        if let Ok(mut until) = self.0.lock() {
            *until = Some(end);
        }
    }
}

pub(crate) struct LeaseCandidate {
    /// This client must not retry: a renewal that hangs would outlive its lease.
    api: Api<Lease>,
    identity: String,
    times: LeaseTimes,
    fence: Fence,
    /// The last lease that was read, and since when it is unchanged.
    seen: Option<(LeaseSpec, Instant)>,
}

impl LeaseCandidate {
    /// `identity` must be unique among the replicas.
    pub(crate) fn new(client: Client, namespace: &str, identity: String, times: LeaseTimes, fence: Fence) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, times, fence, seen: None }
    }

    /// Waits until the lease is won.
    pub(crate) async fn win(&mut self) {
        while !self.attempt().await {
            sleep(self.times.retry.mul_f64(jitter())).await;
        }
        tracing::info!(identity = self.identity, "this replica is the leader");
    }

    /// Renews the lease. Returns when it is lost.
    pub(crate) async fn hold(&mut self) {
        while self.fence.is_open() {
            sleep(self.times.retry).await;
            // a failed renewal is repeated while the fence is open
            let _ = timeout(self.fence.left(), self.attempt()).await;
        }
    }

    /// Gives the lease back, so that a standby takes over at once.
    pub(crate) async fn release(&mut self) {
        let Ok(Ok(Some(mut lease))) = timeout(self.times.retry, self.api.get_opt(NAME)).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return;
        };
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        // without this write, the lease expires later
        let _ = timeout(self.times.retry, self.api.replace(NAME, &PostParams::default(), &lease)).await;
    }

    /// Takes or renews the lease, once.
    async fn attempt(&mut self) -> bool {
        // the lease counts from the request: the response may have taken long
        let asked = Instant::now();
        match timeout(self.times.renew, self.try_once()).await {
            Ok(Ok(held)) => {
                if held {
                    self.fence.open_until(asked + self.times.renew);
                }
                held
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease could not be read or written");
                false
            }
            Err(_) => false,
        }
    }

    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            let mut lease = Lease { spec: Some(self.taken(None)), ..Lease::default() };
            lease.metadata.name = Some(NAME.to_owned());
            return self.written(self.api.create(&PostParams::default(), &lease).await);
        };
        let found = lease.spec.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != found) {
            self.seen = Some((found.clone(), Instant::now()));
        }
        let ours = found.holder_identity.as_deref() == Some(&self.identity);
        if !ours && !self.has_expired(&found) {
            return Ok(false);
        }
        lease.spec = Some(self.taken(Some(&found)));
        // the request contains the version that was read: it fails if somebody has written since
        self.written(self.api.replace(NAME, &PostParams::default(), &lease).await)
    }

    fn has_expired(&self, found: &LeaseSpec) -> bool {
        if found.holder_identity.as_deref().is_none_or(str::is_empty) {
            return true;
        }
        let lasts = found.lease_duration_seconds.and_then(|secs| u64::try_from(secs).ok()).map(Duration::from_secs);
        self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() > lasts.unwrap_or(self.times.lease))
    }

    fn taken(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(ambient::now());
        let same = before.filter(|before| before.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before.and_then(|before| before.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.times.lease.as_secs()).ok(),
            acquire_time: same.map_or_else(|| Some(now.clone()), |same| same.acquire_time.clone()),
            renew_time: Some(now),
            lease_transitions: Some(if same.is_some() || before.is_none() { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        }
    }

    fn written(&mut self, outcome: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
        match outcome {
            Ok(lease) => {
                self.seen = Some((lease.spec.unwrap_or_default(), Instant::now()));
                Ok(true)
            }
            // another replica was faster
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// 1 to 1.2, so that replicas do not ask at the same time.
fn jitter() -> f64 {
    1.0 + ambient::random_up_to(0.2)
}
