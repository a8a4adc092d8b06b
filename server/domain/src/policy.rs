//! May this principal do this to that? One statement model behind policies, bucket policies and what is public; deny wins,
//! no match denies. The decision is a pure function of [`Rules`], principal, action, resource and [`Context`].
//!
//! Where rules come from does not live here: the database's are in `zot-store`, S3's dialect is in `policy/bucket.rs`.

pub mod bucket;
pub mod condition;
mod operation;
pub mod pattern;
mod rules;
mod shipped;
mod statement;
mod witness;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::artifact::name::RepositoryName;
use crate::audit::Trail;
use crate::error::{Error, Result};
use crate::identity::{Call, Grant, GrantTarget, Principal};

pub use condition::{Condition, Context};
pub use operation::{Operation, Operations};
pub use pattern::{PrincipalPattern, ResourceKind, ResourcePattern};
pub use rules::{Rules, Verdict};
pub use shipped::shipped;
pub use statement::{Actions, Effect, Policy, Statement};
pub use witness::Checks;

/// The policy that the setting `extensions.rbac.allowAnonymousGet` stands for.
pub const ANONYMOUS_READ: &str = "setting:extensions.rbac.allowAnonymousGet";

/// Names of repositories and buckets, as far as the caller may see them.
const CATALOG: Resource<'_> = Resource::System("catalog");
/// What somebody would change whose request was not read that far.
const ANYTHING: Resource<'_> = Resource::System("store");

/// What can be done. Create and update are distinct: moving an existing tag needs update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// Get content.
    Read,
    /// See names.
    List,
    /// Add what was not there.
    Create,
    /// Change what was there.
    Update,
    /// Remove.
    Delete,
    /// Say who may do what.
    Admin,
}

impl Action {
    /// The action's name, as policies and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// All of them.
    pub const ALL: [Self; 6] = [Self::Read, Self::List, Self::Create, Self::Update, Self::Delete, Self::Admin];

    const fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// What it is done to.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A repository and all in it.
    Repository(&'a RepositoryName),
    /// A bucket and its settings.
    Bucket(&'a str),
    /// An object: bucket and key.
    Object(&'a str, &'a str),
    /// What belongs to no namespace, such as `audit` or `policies`.
    System(&'a str),
}

impl Resource<'_> {
    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository {name}"),
            Self::Bucket(name) => format!("bucket {name}"),
            Self::Object(bucket, key) => format!("object {bucket}/{key}"),
            Self::System(area) => format!("system:{area}"),
        }
    }
}

/// The settings that decide beside the statements.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Off: everybody may do everything.
    pub access_control: bool,
    /// On: everybody may read and list.
    pub anonymous_read: bool,
    /// On: nobody may change anything.
    pub read_only: bool,
}

/// The outcome, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The policy that decided, if one did.
    pub policy: Option<String>,
}

/// Why it was decided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Access control is off.
    Off,
    /// The admin's key, which no policy can deny.
    BreakGlass,
    /// A policy allows it.
    Allowed,
    /// A policy denies it.
    Denied,
    /// No policy allows it.
    NoMatch,
    /// A policy would allow it if its conditions held. Only where a decision is explained.
    Conditions,
    /// The store takes no changes from anybody.
    ReadOnly,
    /// The token's scope does not cover it.
    OutOfScope,
}

impl Reason {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "access control is off",
            Self::BreakGlass => "the admin's key may do everything",
            Self::Allowed => "a policy allows it",
            Self::Denied => "denied by policy",
            Self::NoMatch => "no policy allows it",
            Self::Conditions => "no policy allows it; the conditions of one that would do not hold",
            Self::ReadOnly => "the store is read-only",
            Self::OutOfScope => "the token's scope does not cover it",
        }
    }
}

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

/// Decides on one action.
pub fn decide(
    settings: Settings,
    rules: &Rules,
    principal: &Principal,
    action: Action,
    resource: Resource<'_>,
    context: &Context<'_>,
) -> Decision {
    let decision =
        |allowed, reason, policy: Option<&str>| Decision { allowed, reason, policy: policy.map(ToOwned::to_owned) };
    if settings.read_only && action.changes() {
        return decision(false, Reason::ReadOnly, None);
    }
    if !settings.access_control {
        return decision(true, Reason::Off, None);
    }
    let (reason, policy) = if principal.is_break_glass() {
        (Reason::BreakGlass, None)
    } else {
        match rules.verdict(principal, action, resource, context) {
            Verdict::Allowed(policy) => (Reason::Allowed, Some(policy)),
            Verdict::Denied(policy) => return decision(false, Reason::Denied, Some(policy)),
            Verdict::Silent => return decision(false, Reason::NoMatch, None),
        }
    };
    if in_bound(principal, action, resource) {
        return decision(true, reason, policy);
    }
    // what everybody may do needs no token, so a token of less scope does not take it away
    match rules.verdict(&Principal::anonymous(), action, resource, context) {
        Verdict::Allowed(public) => decision(true, Reason::Allowed, Some(public)),
        _ => decision(false, Reason::OutOfScope, None),
    }
}

fn covers_catalog(principal: &Principal) -> bool {
    let catalog = |grant: &Grant| grant.target == GrantTarget::Catalog && grant.actions.contains(&Action::List);
    principal.bound.iter().flatten().any(catalog)
}

fn in_bound(principal: &Principal, action: Action, resource: Resource<'_>) -> bool {
    let Some(grants) = &principal.bound else { return true };
    grants.iter().any(|grant| {
        let target = match (&grant.target, resource) {
            (GrantTarget::Repository(granted), Resource::Repository(name)) => granted == name.as_str(),
            _ => false,
        };
        target && grant.actions.contains(&action)
    })
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
mod tests;
