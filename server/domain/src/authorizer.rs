//! The one authorizer: the rules in force, the decision on each request, and the decision log that it is written to.
//! The decision itself is the pure function [`zot_core::policy::decide`]. Admission will be asked here too.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use zot_core::action::{Action, Actions};
use zot_core::policy::{
    Context, Decision, Effect, PrincipalPattern, Reason, Resource, Rules, Settings, Statement, covers_catalog, decide,
    shipped,
};
use zot_core::principal::Principal;

use crate::call::Call;
use crate::decision_log::{Asked, DecisionLog};
use crate::error::{Error, MayBeCommon, Result};
use crate::ports::metadata::PushRights;

/// The policy that the setting `extensions.rbac.allowAnonymousGet` stands for.
pub const ANONYMOUS_READ: &str = "setting:extensions.rbac.allowAnonymousGet";

/// Names of repositories and buckets, as far as the caller may see them.
const CATALOG: Resource<'_> = Resource::System("catalog");
/// What somebody would change whose request was not read that far.
const ANYTHING: Resource<'_> = Resource::System("store");

/// The rules in force, and the settings beside them. Cheap to clone; all clones see new rules at once.
#[derive(Clone, Debug)]
pub struct Authorizer {
    settings: Settings,
    rules: Arc<ArcSwap<Rules>>,
    log: DecisionLog,
}

impl Authorizer {
    /// An authorizer with the shipped roles alone.
    pub fn new(settings: Settings) -> Self {
        let authorizer = Self { settings, rules: Arc::default(), log: DecisionLog::default() };
        authorizer.replace(0, shipped().iter().filter_map(|policy| policy.statement().ok()).collect(), HashSet::new());
        authorizer
    }

    /// The same authorizer, which writes its decisions to this log.
    #[must_use]
    pub fn with_log(self, log: DecisionLog) -> Self {
        Self { log, ..self }
    }

    /// The log of its decisions, for metrics and for credentials that an API refuses.
    pub fn decision_log(&self) -> &DecisionLog {
        &self.log
    }

    /// Puts the statements of an epoch in force; `blocked` namespaces have nothing public. Those of an earlier one, read
    /// before and come later, do not replace them.
    pub fn replace(&self, epoch: i64, mut statements: Vec<Statement>, blocked: HashSet<String>) {
        statements.extend(self.settings.anonymous_read.then(anonymous_read));
        let rules = Arc::new(Rules::new(statements, blocked).of_epoch(epoch));
        self.rules.rcu(|now| if now.epoch() > epoch { Arc::clone(now) } else { Arc::clone(&rules) });
    }

    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The statements in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Decides on one action.
    pub fn decide(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource<'_>,
        context: &Context<'_>,
    ) -> Decision {
        decide(self.settings, &self.rules.load(), principal, action, resource, context)
    }

    /// Decides, and says no in the way that the caller can act on: an anonymous one is asked to authenticate.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::InsufficientScope`], [`Error::Denied`].
    pub fn require(&self, call: &Call, action: Action, resource: Resource<'_>) -> Result<()> {
        self.require_in(call, action, resource, &call.context())
    }

    /// The same under circumstances that say more than the call.
    ///
    /// # Errors
    /// As [`Authorizer::require`].
    pub fn require_in(&self, call: &Call, action: Action, resource: Resource<'_>, context: &Context<'_>) -> Result<()> {
        let decision = self.decide(&call.principal, action, resource, context);
        self.note(call, action, resource, &decision);
        if decision.allowed { Ok(()) } else { Err(refusal(&decision, call, action, resource)) }
    }

    /// Whether it is allowed, for statements that carry the rights into the database.
    pub fn allows(&self, call: &Call, action: Action, resource: Resource<'_>) -> bool {
        self.decide(&call.principal, action, resource, &call.context()).allowed
    }

    /// Whether names of repositories and buckets may be asked for at all. Which of them is decided one by one, for the call
    /// that is returned: a token that covers the catalog shows the names that its holder may list, any other one those
    /// within its scope.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where nothing is listed for everybody, [`Error::InsufficientScope`].
    pub fn require_catalog(&self, call: &Call) -> Result<Call> {
        let outcome = self.catalog(call);
        let (allowed, reason) = match &outcome {
            Ok(()) => (true, Reason::Allowed),
            Err(Error::InsufficientScope(_)) => (false, Reason::OutOfScope),
            Err(_) => (false, Reason::NoMatch),
        };
        self.note(call, Action::List, CATALOG, &Decision { allowed, reason, policy: None });
        outcome.map(|()| if covers_catalog(&call.principal) { call.unbound() } else { call.clone() })
    }

    /// Whether a token may name the catalog.
    pub fn allows_catalog(&self, call: &Call) -> bool {
        self.catalog(call).is_ok()
    }

    fn catalog(&self, call: &Call) -> Result<()> {
        let principal = &call.principal;
        if !self.settings.access_control || self.rules.load().lets_everybody(Action::List) {
            return Ok(());
        }
        if principal.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        if principal.bound.is_some() && !covers_catalog(principal) {
            let why = "the token's scope does not cover the catalog; ask for a token of that scope";
            return Err(Error::InsufficientScope(why.to_owned()));
        }
        Ok(())
    }

    /// Whether an anonymous caller may change something somewhere.
    ///
    /// # Errors
    /// [`Error::Denied`] in a store that takes no changes, else [`Error::Unauthenticated`].
    pub fn require_some_write(&self, call: &Call) -> Result<()> {
        let rules = self.rules.load();
        let writes =
            || [Action::Create, Action::Update, Action::Delete].into_iter().any(|action| rules.lets_everybody(action));
        let (reason, refusal) = if self.settings.read_only {
            (Reason::ReadOnly, Error::Denied("the store is read-only".to_owned()))
        } else if !self.settings.access_control || !call.principal.is_anonymous() || writes() {
            return Ok(());
        } else {
            (Reason::NoMatch, Error::Unauthenticated)
        };
        self.note(call, Action::Create, ANYTHING, &Decision { allowed: false, reason, policy: None });
        Err(refusal)
    }

    /// Requires the same of several resources, and says of each whether it is allowed. Refusals for one reason are one
    /// record.
    pub(crate) fn require_each<'a>(
        &self,
        call: &Call,
        action: Action,
        asked: impl Iterator<Item = (Resource<'a>, Context<'static>)>,
    ) -> Vec<Result<()>> {
        let mut refused: Vec<(Decision, Vec<Asked<'a>>)> = Vec::new();
        let decide = |(resource, context)| {
            let decision = self.decide(&call.principal, action, resource, &context);
            if decision.allowed {
                self.note(call, action, resource, &decision);
                return Ok(());
            }
            let error = refusal(&decision, call, action, resource);
            let asked = Asked { action, resource };
            match refused.iter_mut().find(|(earlier, _)| *earlier == decision) {
                Some((_, alike)) => alike.push(asked),
                None => refused.push((decision, vec![asked])),
            }
            Err(error)
        };
        let outcomes = asked.map(decide).collect();
        for (decision, asked) in &refused {
            self.log.note_refused(call, decision, asked);
        }
        outcomes
    }

    fn note(&self, call: &Call, action: Action, resource: Resource<'_>, decision: &Decision) {
        self.log.note(call, &Asked { action, resource }, decision, decision.reason.as_str());
    }

    /// Logs a denial by the database, which was given the caller's rights: only it knows whether a write creates or
    /// updates.
    pub(crate) fn settle<T, E: MayBeCommon>(
        &self,
        call: &Call,
        rights: PushRights,
        resource: Resource<'_>,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        if let Some(Error::Denied(why)) = outcome.as_ref().err().and_then(MayBeCommon::common) {
            let action = if rights.create && !rights.update { Action::Update } else { Action::Create };
            let decision = Decision { allowed: false, reason: Reason::NoMatch, policy: None };
            self.log.note(call, &Asked { action, resource }, &decision, why);
        }
        outcome
    }

    /// Whether the principal may read every repository, whichever it is.
    pub fn reads_everything(&self, principal: &Principal) -> bool {
        !self.settings.access_control
            || (principal.bound.is_none()
                && (principal.is_break_glass() || self.rules.load().reads_everything(principal)))
    }
}

fn refusal(decision: &Decision, call: &Call, action: Action, resource: Resource<'_>) -> Error {
    let (action, resource) = (action.as_str(), resource.describe());
    match decision.reason {
        Reason::ReadOnly => Error::Denied("the store is read-only".to_owned()),
        _ if call.principal.is_anonymous() => Error::Unauthenticated,
        Reason::OutOfScope => Error::InsufficientScope(format!(
            "the token's scope does not allow {action} on {resource}; ask for a token of that scope"
        )),
        // which policy it was is for those who may read policies
        Reason::Denied => Error::Denied(format!("a policy denies {action} on {resource}")),
        _ => Error::Denied(format!("no policy allows {action} on {resource}")),
    }
}

/// The statement of the setting.
fn anonymous_read() -> Statement {
    Statement {
        policy: ANONYMOUS_READ.to_owned(),
        effect: Effect::Allow,
        principals: vec![PrincipalPattern::Everybody],
        actions: Actions::NONE.with(Action::Read).with(Action::List),
        resources: "*".parse().into_iter().collect(),
        conditions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use zot_core::policy::Policy;

    use super::*;

    /// A load that began before a change, and ended after the one that saw it.
    #[test]
    fn rules_of_an_earlier_epoch_do_not_come_back() {
        let authorizer = Authorizer::new(Settings { access_control: true, anonymous_read: false, read_only: false });
        let resource = "*".to_owned();
        let grant = Policy { resource, actions: vec!["read".to_owned()], ..Policy::default() }.statement().unwrap();
        authorizer.replace(7, Vec::new(), HashSet::new());
        authorizer.replace(6, vec![grant], HashSet::new());
        assert_eq!((authorizer.rules().epoch(), authorizer.rules().len()), (7, 0));
    }
}
