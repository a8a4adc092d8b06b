//! What decisions leave behind: counts of all, and records of reads and denials for the audit trail. A write that was let
//! through records itself, with its row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Action, Context, Decision, Engine, Reason, Resource, refusal};
use crate::audit::{Outcome, Record, Trail};
use crate::call::{Agent, Call, Origin, RequestId};
use crate::error::{Error, Result};
use crate::ports::metadata::PushRights;

/// Resources that the record of several names beside the first.
const NAMED_MAX: usize = 20;
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

    /// Requires the same of several resources, and says of each whether it is allowed. What is refused for one reason is one
    /// record, however much it is: one request must not fill the trail.
    pub(crate) fn require_each<'a>(
        &self,
        call: &Call,
        action: Action,
        asked: impl Iterator<Item = (Resource<'a>, Context<'static>)>,
    ) -> Vec<Result<()>> {
        let mut refused: Vec<(Decision, Vec<Matter<'a>>)> = Vec::new();
        let decide = |(resource, context)| {
            let decision = self.decide(&call.principal, action, resource, &context);
            if decision.allowed {
                self.witness(call, action, resource, &decision);
                return Ok(());
            }
            let error = refusal(&decision, call, action, resource);
            let matter = Matter::of(action, resource);
            match refused.iter_mut().find(|(earlier, _)| *earlier == decision) {
                Some((_, matters)) => matters.push(matter),
                None => refused.push((decision, vec![matter])),
            }
            Err(error)
        };
        let outcomes = asked.map(decide).collect();
        for (decision, matters) in &refused {
            self.note_refused(call, decision, matters);
        }
        outcomes
    }

    fn note_refused(&self, call: &Call, decision: &Decision, matters: &[Matter<'_>]) {
        let Some((first, others)) = matters.split_first() else { return };
        others.iter().for_each(|matter| self.count(matter, decision));
        let mut why = decision.reason.as_str().to_owned();
        if !others.is_empty() {
            let named: Vec<String> = others.iter().take(NAMED_MAX).map(Matter::name).collect();
            let dots = if others.len() > NAMED_MAX { ", …" } else { "" };
            why = format!("{why}; and to {} more of this request: {}{dots}", others.len(), named.join(", "));
        }
        self.note(call, first, decision, &why);
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

    fn count(&self, matter: &Matter<'_>, decision: &Decision) {
        self.counts.0[matter.kind][matter.action as usize][usize::from(decision.allowed)]
            .fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, call: &Call, matter: &Matter<'_>, decision: &Decision, why: &str) {
        self.count(matter, decision);
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
