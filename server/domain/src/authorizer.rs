//! The authorizer: the rules in force, the decision on each request, and the decision log.

mod witness;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use zot_core::action::{Action, Actions};
use zot_core::policy::{
    Context, Decision, Effect, PrincipalPattern, Reason, Resource, Rules, Settings, Statement, covers_catalog, decide,
    shipped,
};
use zot_core::principal::Principal;

use crate::audit::Trail;
use crate::call::Call;
use crate::error::{Error, Result};

pub use witness::Checks;

/// The policy that the setting `extensions.rbac.allowAnonymousGet` stands for.
pub const ANONYMOUS_READ: &str = "setting:extensions.rbac.allowAnonymousGet";

/// Names of repositories and buckets, as far as the caller may see them.
const CATALOG: Resource<'_> = Resource::System("catalog");
/// What somebody would change whose request was not read that far.
const ANYTHING: Resource<'_> = Resource::System("store");

/// The rules in force, and the settings beside them. Cheap to clone; all clones see new rules at once.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    rules: Arc<ArcSwap<Rules>>,
    counts: Arc<witness::Counts>,
    trail: Option<Trail>,
}

impl Engine {
    /// An engine with the shipped roles alone.
    pub fn new(settings: Settings) -> Self {
        let engine = Self { settings, rules: Arc::default(), counts: Arc::default(), trail: None };
        engine.replace(0, shipped().iter().filter_map(|policy| policy.statement().ok()).collect(), HashSet::new());
        engine
    }

    /// Puts the statements of an epoch in force; `blocked` namespaces have nothing public. Those of an earlier one, read
    /// before and come later, do not replace them.
    pub fn replace(&self, epoch: i64, mut statements: Vec<Statement>, blocked: HashSet<String>) {
        statements.extend(self.settings.anonymous_read.then(anonymous_read));
        let rules = Arc::new(Rules::new(statements, blocked).of_epoch(epoch));
        self.rules.rcu(|now| if now.epoch() > epoch { Arc::clone(now) } else { Arc::clone(&rules) });
    }

    /// The settings.
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
    /// As [`Engine::require`].
    pub fn require_in(&self, call: &Call, action: Action, resource: Resource<'_>, context: &Context<'_>) -> Result<()> {
        let decision = self.decide(&call.principal, action, resource, context);
        self.witness(call, action, resource, &decision);
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
        self.witness(call, Action::List, CATALOG, &Decision { allowed, reason, policy: None });
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
        self.witness(call, Action::Create, ANYTHING, &Decision { allowed: false, reason, policy: None });
        Err(refusal)
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
        let engine = Engine::new(Settings { access_control: true, anonymous_read: false, read_only: false });
        let resource = "*".to_owned();
        let grant = Policy { resource, actions: vec!["read".to_owned()], ..Policy::default() }.statement().unwrap();
        engine.replace(7, Vec::new(), HashSet::new());
        engine.replace(6, vec![grant], HashSet::new());
        assert_eq!((engine.rules().epoch(), engine.rules().len()), (7, 0));
    }
}
