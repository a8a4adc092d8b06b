//! The only authorizer: it has the rules in force, decides on each request and writes to the decision log. The pure
//! function [`zot_core::policy::decide`] makes the decision.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

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

/// The id of the policy that the setting `extensions.rbac.allowAnonymousGet` adds.
pub const ANONYMOUS_READ: &str = "setting:extensions.rbac.allowAnonymousGet";

/// The resource of listing repositories and buckets.
const CATALOG: Resource<'_> = Resource::System("catalog");
/// The resource of a write that is refused before the request is parsed.
const ANYTHING: Resource<'_> = Resource::System("store");

/// The rules in force and the settings. Cheap to clone; all clones see new rules at once.
#[derive(Clone, Debug)]
pub struct Authorizer {
    settings: Settings,
    rules: Arc<ArcSwap<Rules>>,
    log: DecisionLog,
}

impl Authorizer {
    /// An authorizer that has only the shipped roles.
    pub fn new(settings: Settings) -> Self {
        let authorizer = Self { settings, rules: Arc::default(), log: DecisionLog::default() };
        authorizer.replace(0, shipped().iter().filter_map(|policy| policy.statement().ok()).collect(), HashSet::new());
        authorizer
    }

    /// Writes its decisions to this log.
    #[must_use]
    pub fn with_log(self, log: DecisionLog) -> Self {
        Self { log, ..self }
    }

    /// The log, for metrics and for credentials that an API refuses.
    pub fn decision_log(&self) -> &DecisionLog {
        &self.log
    }

    /// Puts the statements of an epoch in force. `blocked` namespaces have nothing public. Statements of an earlier
    /// epoch are ignored: a slow load may finish late.
    pub fn replace(&self, epoch: i64, mut statements: Vec<Statement>, blocked: HashSet<String>) {
        statements.extend(self.settings.anonymous_read.then(anonymous_read));
        let rules = Arc::new(Rules::new(statements, blocked).of_epoch(epoch));
        self.rules.rcu(|now| if now.epoch() > epoch { Arc::clone(now) } else { Arc::clone(&rules) });
    }

    pub fn settings(&self) -> Settings {
        self.settings
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    pub fn decide(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource<'_>,
        context: &Context<'_>,
    ) -> Decision {
        decide(self.settings, &self.rules.load(), principal, action, resource, context)
    }

    /// Decides, and returns the denial that the caller can act on: an anonymous caller is asked to authenticate.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::InsufficientScope`], [`Error::Denied`].
    pub fn require(&self, call: &Call, action: Action, resource: Resource<'_>) -> Result<()> {
        self.require_in(call, action, resource, &call.context())
    }

    /// As [`Authorizer::require`], with a context that has more than the call.
    ///
    /// # Errors
    /// As [`Authorizer::require`].
    pub fn require_in(&self, call: &Call, action: Action, resource: Resource<'_>, context: &Context<'_>) -> Result<()> {
        let decision = self.decide(&call.principal, action, resource, context);
        self.note(call, action, resource, &decision);
        if decision.allowed { Ok(()) } else { Err(refusal(&decision, call, action, resource)) }
    }

    /// Whether it is allowed. Database statements take this right along.
    pub fn allows(&self, call: &Call, action: Action, resource: Resource<'_>) -> bool {
        self.decide(&call.principal, action, resource, &call.context()).allowed
    }

    /// Decides whether the caller may list repositories and buckets at all. Each name is then decided by the returned
    /// call: a token that covers the catalog shows all names that its holder may list; any other token shows those in
    /// its scope.
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

    /// Whether an anonymous caller may write anywhere.
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

    /// Decides on several resources and says which are allowed. Refusals for one reason make one record. Other requests
    /// run between the decisions.
    pub(crate) async fn require_each<'a>(
        &self,
        call: &Call,
        action: Action,
        all: impl Iterator<Item = (Resource<'a>, Context<'static>)>,
    ) -> Vec<Result<()>> {
        let (mut outcomes, mut refused) = (Vec::new(), Vec::<(Decision, Vec<Asked<'a>>)>::new());
        for (resource, context) in all {
            yield_now().await;
            let decision = self.decide(&call.principal, action, resource, &context);
            if decision.allowed {
                self.note(call, action, resource, &decision);
                outcomes.push(Ok(()));
                continue;
            }
            outcomes.push(Err(refusal(&decision, call, action, resource)));
            let asked = Asked { action, resource };
            match refused.iter_mut().find(|(earlier, _)| *earlier == decision) {
                Some((_, alike)) => alike.push(asked),
                None => refused.push((decision, vec![asked])),
            }
        }
        for (decision, asked) in &refused {
            self.log.note_refused(call, decision, asked);
        }
        outcomes
    }

    /// Those items that the caller may list. Other requests run between the decisions.
    pub(crate) async fn listed<T>(&self, call: &Call, items: Vec<T>, resource: impl Fn(&T) -> Resource<'_>) -> Vec<T> {
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            yield_now().await;
            if self.allows(call, Action::List, resource(&item)) {
                listed.push(item);
            }
        }
        listed
    }

    fn note(&self, call: &Call, action: Action, resource: Resource<'_>, decision: &Decision) {
        self.log.note(call, &Asked { action, resource }, decision, decision.reason.as_str());
    }

    /// Logs a denial that the database decided by the caller's rights: only it knows whether a write creates or
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

    /// Whether the principal may read every repository.
    pub fn reads_everything(&self, principal: &Principal) -> bool {
        !self.settings.access_control
            || (principal.bound.is_none()
                && (principal.is_break_glass() || self.rules.load().reads_everything(principal)))
    }
}

/// Lets other tasks of this thread run.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn refusal(decision: &Decision, call: &Call, action: Action, resource: Resource<'_>) -> Error {
    let (action, resource) = (action.as_str(), resource.describe());
    match decision.reason {
        Reason::ReadOnly => Error::Denied("the store is read-only".to_owned()),
        _ if call.principal.is_anonymous() => Error::Unauthenticated,
        Reason::OutOfScope => Error::InsufficientScope(format!(
            "the token's scope does not allow {action} on {resource}; ask for a token of that scope"
        )),
        // only callers who may read policies learn the policy's id
        Reason::Denied => Error::Denied(format!("a policy denies {action} on {resource}")),
        Reason::TooComplex => Error::Denied(format!(
            "{action} on {resource} is refused, since the policies about it have too many or too long patterns to decide; \
             an administrator must shorten or merge them"
        )),
        _ => Error::Denied(format!("no policy allows {action} on {resource}")),
    }
}

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

    /// A load that began before a change and ended after it.
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
