//! What decisions leave behind: counts of all, and records of reads and denials for the audit trail. A write that was let
//! through records itself, with its row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Action, Decision, Engine, Reason, Resource};
use crate::audit::{Outcome, Record, Trail};
use crate::error::{Error, Result};
use crate::identity::{Agent, Call, Origin, RequestId};
use crate::ports::metadata::PushRights;

const KINDS: [&str; 4] = ["repository", "bucket", "object", "system"];

/// How often was decided so, since the process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The resource's kind.
    pub resource: &'static str,
    /// The action.
    pub action: &'static str,
    /// Whether it was allowed.
    pub allowed: bool,
    /// How often.
    pub count: u64,
}

/// The counts, by kind, action and outcome.
#[derive(Debug, Default)]
pub(super) struct Counts([[[AtomicU64; 2]; 6]; 4]);

/// What was asked for, in the trail's words.
struct Matter<'a> {
    kind: usize,
    action: Action,
    resource: Resource<'a>,
}

impl<'a> Matter<'a> {
    fn of(action: Action, resource: Resource<'a>) -> Self {
        let kind = match resource {
            Resource::Repository(_) => 0,
            Resource::Bucket(_) => 1,
            Resource::Object(..) => 2,
            Resource::System(_) => 3,
        };
        Self { kind, action, resource }
    }

    /// As rows of writes have it.
    fn name(&self) -> String {
        match self.resource {
            Resource::Repository(name) => format!("repository:{name}"),
            Resource::Bucket(name) => format!("bucket:{name}"),
            Resource::Object(bucket, key) => format!("object:{bucket}/{key}"),
            Resource::System(area) => format!("system:{area}"),
        }
    }
}

impl Engine {
    /// The same, whose decisions leave records in this trail.
    #[must_use]
    pub fn recording(mut self, trail: Trail) -> Self {
        self.trail = Some(trail);
        self
    }

    /// How often was decided how; what was never asked is left out.
    pub fn checks(&self) -> Vec<Checks> {
        let mut all = Vec::new();
        for (resource, actions) in KINDS.iter().zip(&self.counts.0) {
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

    /// Credentials were presented that are wrong; `method` is their kind, `why` holds nothing of them.
    pub fn note_refused_credentials(
        &self,
        (request, origin, agent): (RequestId, Origin, &Agent),
        method: &str,
        why: &str,
    ) {
        let Some(trail) = &self.trail else { return };
        trail.note(Record {
            id: RequestId::new(),
            request,
            noted: Instant::now(),
            actor: "anonymous".to_owned(),
            action: "authenticate",
            resource: format!("credentials:{method}"),
            outcome: Outcome::Denied,
            address: origin.address,
            agent: agent.clone(),
            reason: why.to_owned(),
            policy: None,
        });
    }

    /// Counts a decision, and records it if nothing else does.
    pub(super) fn witness(&self, call: &Call, action: Action, resource: Resource<'_>, decision: &Decision) {
        self.note(call, &Matter::of(action, resource), decision, decision.reason.as_str());
    }

    /// What the database came to that was told the caller's rights: whether something is made or changed only it knows.
    pub(crate) fn told<T>(
        &self,
        call: &Call,
        rights: PushRights,
        resource: Resource<'_>,
        outcome: Result<T>,
    ) -> Result<T> {
        if let Err(Error::Denied(why)) = &outcome {
            let action = if rights.create && !rights.update { Action::Update } else { Action::Create };
            let decision = Decision { allowed: false, reason: Reason::NoMatch, policy: None };
            self.note(call, &Matter::of(action, resource), &decision, why);
        }
        outcome
    }

    fn note(&self, call: &Call, matter: &Matter<'_>, decision: &Decision, why: &str) {
        self.counts.0[matter.kind][matter.action as usize][usize::from(decision.allowed)]
            .fetch_add(1, Ordering::Relaxed);
        let Some(trail) = self.trail.as_ref().filter(|_| !decision.allowed || !matter.action.changes()) else {
            return;
        };
        trail.note(Record {
            id: RequestId::new(),
            request: call.request_id,
            noted: Instant::now(),
            actor: call.principal.subject.clone(),
            action: matter.action.as_str(),
            resource: matter.name(),
            outcome: if decision.allowed { Outcome::Allowed } else { Outcome::Denied },
            address: call.origin.address,
            agent: call.agent.clone(),
            reason: why.to_owned(),
            policy: decision.policy.clone(),
        });
    }
}
