//! The decision log: counts all decisions, and records reads and denials in the audit trail. An allowed write adds its
//! own audit row.

mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use zot_core::AuditAction;
use zot_core::action::Action;
use zot_core::policy::{Decision, Resource};

use crate::call::{Agent, Call, Origin, RequestId};
use crate::ports::audit::{Outcome, Record};

pub use queue::{BATCH_MAX, DecisionQueue, Figures, QUEUE_MAX};

/// Most further resources that one record names.
const NAMED_MAX: usize = 20;
const KINDS: [&str; 4] = ["repository", "bucket", "object", "system"];

/// How many decisions of one kind were made since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// `repository`, `bucket`, `object` or `system`.
    pub resource: &'static str,
    /// As [`Action::as_str`] spells it.
    pub action: &'static str,
    pub allowed: bool,
    /// Always above 0.
    pub count: u64,
}

/// The action and resource of a decision.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub action: Action,
    pub resource: Resource<'a>,
}

impl Asked<'_> {
    /// The index into [`KINDS`].
    fn kind(&self) -> usize {
        match self.resource {
            Resource::Repository(_) => 0,
            Resource::Bucket(_) => 1,
            Resource::Object(..) => 2,
            Resource::System(_) => 3,
        }
    }

    /// The resource, spelled as in audit rows of writes.
    fn name(&self) -> String {
        match self.resource {
            Resource::Repository(name) => format!("repository:{name}"),
            Resource::Bucket(name) => format!("bucket:{name}"),
            Resource::Object(bucket, key) => format!("object:{bucket}/{key}"),
            Resource::System(area) => format!("system:{area}"),
        }
    }
}

/// The decision log. Cheap to clone: all clones are one log.
#[derive(Clone, Debug, Default)]
pub struct DecisionLog {
    /// By kind, action and outcome.
    counts: Arc<[[[AtomicU64; 2]; 6]; 4]>,
    queue: Option<DecisionQueue>,
}

impl DecisionLog {
    /// A log that records to this queue. [`DecisionLog::default`] only counts.
    pub fn recording(queue: DecisionQueue) -> Self {
        Self { counts: Arc::default(), queue: Some(queue) }
    }

    /// The counts that are not 0.
    pub fn checks(&self) -> Vec<Checks> {
        let mut all = Vec::new();
        for (resource, actions) in KINDS.iter().zip(&*self.counts) {
            for (action, outcomes) in Action::ALL.iter().zip(actions) {
                for (allowed, count) in [false, true].into_iter().zip(outcomes) {
                    let count = count.load(Ordering::Relaxed);
                    all.push(Checks { resource, action: action.as_str(), allowed, count });
                }
            }
        }
        all.retain(|checks| checks.count > 0);
        all
    }

    /// Records that wrong credentials were presented. `method` is their kind; `why` must not contain any of them.
    pub fn note_refused_credentials(
        &self,
        (request, origin, agent): (RequestId, Origin, &Agent),
        method: &str,
        why: &str,
    ) {
        let Some(queue) = &self.queue else { return };
        queue.note(Record {
            id: RequestId::new(),
            request,
            noted: Instant::now(),
            actor: "anonymous".to_owned(),
            action: AuditAction::Authenticate,
            resource: format!("credentials:{method}"),
            outcome: Outcome::Denied,
            address: origin.address,
            agent: agent.clone(),
            reason: why.to_owned(),
            policy: None,
        });
    }

    /// Counts several refusals for one reason and makes one record of them: one request must not fill the log.
    pub(crate) fn note_refused(&self, call: &Call, decision: &Decision, asked: &[Asked<'_>]) {
        let Some((first, others)) = asked.split_first() else { return };
        others.iter().for_each(|asked| self.count(asked, decision));
        let mut why = decision.reason.as_str().to_owned();
        if !others.is_empty() {
            let named: Vec<String> = others.iter().take(NAMED_MAX).map(Asked::name).collect();
            let dots = if others.len() > NAMED_MAX { ", …" } else { "" };
            why = format!("{why}; and to {} more of this request: {}{dots}", others.len(), named.join(", "));
        }
        self.note(call, first, decision, &why);
    }

    fn count(&self, asked: &Asked<'_>, decision: &Decision) {
        self.counts[asked.kind()][asked.action as usize][usize::from(decision.allowed)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a decision, and records it if no write will.
    pub(crate) fn note(&self, call: &Call, asked: &Asked<'_>, decision: &Decision, why: &str) {
        self.count(asked, decision);
        let Some(queue) = self.queue.as_ref().filter(|_| !decision.allowed || !asked.action.changes()) else {
            return;
        };
        queue.note(Record {
            id: RequestId::new(),
            request: call.request_id,
            noted: Instant::now(),
            actor: call.principal.subject.clone(),
            action: AuditAction::Decided(asked.action),
            resource: asked.name(),
            outcome: if decision.allowed { Outcome::Allowed } else { Outcome::Denied },
            address: call.origin.address,
            agent: call.agent.clone(),
            reason: why.to_owned(),
            policy: decision.policy.clone(),
        });
    }
}
