//! Leader election: of several operators one works. Semantics of Kubernetes' own components (client-go, `leaderelection`).
//!
//! A lease is written only over the version that was read (compare and swap), so two cannot both win. Whether it has
//! expired is judged by how long *this* process has seen it unchanged, never by the clock of whoever wrote it. Whoever
//! cannot renew it in time ends itself before another one may take it. What it does until it has noticed is the [`Fence`]'s:
//! a process that was stopped and goes on, writes nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

/// Its name.
const NAME: &str = "zot-artifact-store-operator";

/// How long a lease lasts, and how often it is renewed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Without a renewal others may take it after that.
    pub(crate) lease: Duration,
    /// Without a renewal its holder gives up after that.
    pub(crate) renew: Duration,
    /// How often it is tried.
    pub(crate) retry: Duration,
}

impl Times {
    /// In the proportions of client-go: 15, 10 and 2 seconds.
    pub(crate) fn of(lease: Duration) -> Self {
        Self { lease, renew: lease * 2 / 3, retry: lease * 2 / 15 }
    }
}

/// Until when this replica may write. Closed before the lease was won, and as soon as it was not renewed in time.
#[derive(Clone, Default)]
pub(crate) struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    /// Whether it may.
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

/// A candidate.
pub(crate) struct Candidate {
    /// Without retries of its own: a renewal that hangs would outlive its lease.
    api: Api<Lease>,
    identity: String,
    times: Times,
    fence: Fence,
    /// What was seen last, and since when it is the same.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Candidate {
    /// A candidate of this name, which no other has.
    pub(crate) fn new(client: Client, namespace: &str, identity: String, times: Times, fence: Fence) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, times, fence, seen: None }
    }

    /// Waits until the lease is won.
    pub(crate) async fn win(&mut self) {
        while !self.attempt().await {
            sleep(self.times.retry.mul_f64(jitter())).await;
        }
        tracing::info!(identity = self.identity, "this replica holds the lease");
    }

    /// Renews it until that fails; ends when the lease is lost.
    pub(crate) async fn hold(&mut self) {
        while self.fence.is_open() {
            sleep(self.times.retry).await;
            // a failure is tried again, as long as there is time
            let _ = timeout(self.fence.left(), self.attempt()).await;
        }
    }

    /// Gives it back, so that another one need not wait.
    pub(crate) async fn release(&mut self) {
        let Ok(Ok(Some(mut lease))) = timeout(self.times.retry, self.api.get_opt(NAME)).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return;
        };
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        // whatever comes of it: the lease ends by itself
        let _ = timeout(self.times.retry, self.api.replace(NAME, &PostParams::default(), &lease)).await;
    }

    /// Takes or renews it. A failure is that of this attempt alone.
    async fn attempt(&mut self) -> bool {
        // what counts is when it was asked for: the answer may have been long on its way
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
        // the version that was read goes along: a write in between makes this one fail
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
        let now = MicroTime(Timestamp::now());
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
            // somebody was faster
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// 1 to 1.2, so that candidates do not ask all at once.
fn jitter() -> f64 {
    1.0 + f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 1280.0
}
