//! Who asks: one [`Principal`] whichever way the request was authenticated.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::policy::{Action, Context, Effect, PrincipalPattern};

/// The identity behind a request. Cheap to clone, whatever its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What the audit trail shows, such as `user:alice`, `key:AKIA…`, `serviceaccount:ci:builder` or `anonymous`.
    pub subject: String,
    /// What statements may call it by that allow something, sorted: `user:…`, `role:…`, `group:…`, `serviceaccount:…`,
    /// `key:…`.
    pub(crate) names: Arc<[String]>,
    /// The same and all that it gave up, sorted: for statements that deny, and for revocations. Whoever takes less than
    /// they have must not get rid of what is denied to them.
    pub(crate) held: Arc<[String]>,
    /// Claims of its token, and attributes, for conditions.
    pub claims: Arc<BTreeMap<String, Vec<String>>>,
    /// An upper bound, where the request came with a token of limited scope: policy is evaluated all the same.
    pub bound: Option<Vec<Grant>>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Anonymous,
    Known,
    BreakGlass,
}

impl Principal {
    /// Everybody who did not say who they are.
    pub fn anonymous() -> Self {
        Self::of_kind(Kind::Anonymous, "anonymous", Vec::new(), BTreeMap::new())
    }

    /// Somebody who is called by these names.
    pub fn known(
        subject: &str,
        names: impl IntoIterator<Item = String>,
        claims: BTreeMap<String, Vec<String>>,
    ) -> Self {
        Self::of_kind(Kind::Known, subject, names.into_iter().collect(), claims)
    }

    /// The administrator whom no policy can deny.
    pub fn break_glass(subject: &str) -> Self {
        Self::of_kind(Kind::BreakGlass, subject, vec![subject.to_owned()], BTreeMap::new())
    }

    fn of_kind(kind: Kind, subject: &str, names: Vec<String>, claims: BTreeMap<String, Vec<String>>) -> Self {
        let names = sorted(names);
        let (held, claims) = (Arc::clone(&names), Arc::new(claims));
        Self { subject: subject.to_owned(), names, held, claims, bound: None, kind }
    }

    /// The same, who also has these names as far as something is denied or revoked.
    #[must_use]
    pub fn holding(mut self, more: impl IntoIterator<Item = String>) -> Self {
        let mut more = more.into_iter().peekable();
        if more.peek().is_some() {
            self.held = sorted(self.held.iter().cloned().chain(more).collect());
        }
        self
    }

    /// The same with further names.
    #[must_use]
    pub fn also(mut self, more: &[String]) -> Self {
        self.names = sorted([&*self.names, more].concat());
        self.holding(more.iter().cloned())
    }

    /// The same within the bound of a token.
    #[must_use]
    pub fn bounded(mut self, grants: Vec<Grant>) -> Self {
        self.bound = Some(grants);
        self
    }

    /// The same with that role alone of all its roles and groups, none if it does not have it; what is denied to any of
    /// them stays denied. `self` is every role.
    pub fn as_role(&self, role: &str) -> Option<Self> {
        if role == "self" {
            return Some(self.clone());
        }
        let wanted = format!("role:{role}");
        let kept = |name: &&String| !name.starts_with("role:") && !name.starts_with("group:") || **name == wanted;
        let names = self.names.iter().filter(kept).cloned().collect();
        self.has_name(&wanted).then(|| Self { names, ..self.clone() })
    }

    /// The same without the token's bound: what its holder may do.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { bound: None, ..self.clone() }
    }

    /// What statements may call it by.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What statements that deny may call it by, and revocations: its names, and those that it gave up.
    pub fn held(&self) -> &[String] {
        &self.held
    }

    /// Its names of one kind, without the kind: `role` gives its roles.
    pub fn names_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.names, kind)
    }

    /// The same of all that it holds.
    pub(crate) fn held_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.held, kind)
    }

    /// Whether nobody in particular asks.
    pub fn is_anonymous(&self) -> bool {
        self.kind == Kind::Anonymous
    }

    /// Whether no policy can deny it anything.
    pub fn is_break_glass(&self) -> bool {
        self.kind == Kind::BreakGlass
    }

    /// Whether it is called that.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        is_among(&self.names, name)
    }

    /// Whether it is called that, or was before it took less than it had.
    pub(crate) fn holds(&self, name: &str) -> bool {
        is_among(&self.held, name)
    }

    /// Whether a statement with this pattern and effect is about it.
    pub(crate) fn is_meant_by(&self, pattern: &PrincipalPattern, effect: Effect) -> bool {
        match (pattern, effect) {
            (PrincipalPattern::Everybody, _) => true,
            (PrincipalPattern::Authenticated, _) => !self.is_anonymous(),
            (PrincipalPattern::Named(name), Effect::Allow) => self.has_name(name),
            (PrincipalPattern::Named(name), Effect::Deny) => self.holds(name),
        }
    }
}

fn sorted(mut names: Vec<String>) -> Arc<[String]> {
    names.sort_unstable();
    names.dedup();
    names.into()
}

fn is_among(sorted: &[String], name: &str) -> bool {
    sorted.binary_search_by(|own| own.as_str().cmp(name)).is_ok()
}

fn of_kind<'a>(names: &'a [String], kind: &'a str) -> impl Iterator<Item = &'a str> {
    names.iter().filter_map(move |name| name.strip_prefix(kind)?.strip_prefix(':'))
}

/// Actions on one repository, or on the catalog, that a token carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it is for.
    pub target: GrantTarget,
    /// What may be done to it.
    pub actions: Vec<Action>,
}

/// What a token's grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantTarget {
    /// Exactly this repository: `a/b` covers neither `a/bc` nor `a/b/c`.
    Repository(String),
    /// The catalog of the registry.
    Catalog,
}

/// One request: who asks, from where, and under which id it is recorded.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub principal: Principal,
    /// The id that the client also gets; key of the audit row.
    pub request_id: RequestId,
    /// Where it came from.
    pub origin: Origin,
    /// What it was sent by.
    pub agent: Agent,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as far as proxies that are trusted told it.
    pub address: Option<IpAddr>,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
}

/// Who counts as one where somebody is counted by their address: an address of version 4, and of version 6 a network of
/// /64, in which everybody has as many addresses as they like.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// What a request was sent by, for the audit trail. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The method of HTTP; empty where there is none.
    pub method: &'static str,
    user_agent: Option<Arc<str>>,
}

/// Longest part of a client's description of itself that is kept, in characters.
const USER_AGENT_MAX: usize = 256;

impl Agent {
    /// A client that calls itself that.
    pub fn new(method: &'static str, user_agent: &str) -> Self {
        let text = || user_agent.chars().filter(|c| *c != '\0').take(USER_AGENT_MAX).collect::<String>().into();
        Self { method, user_agent: (!user_agent.is_empty()).then(text) }
    }

    /// What the client calls itself; empty if it does not say.
    pub fn user_agent(&self) -> &str {
        self.user_agent.as_deref().unwrap_or_default()
    }
}

impl Call {
    /// The circumstances, for conditions.
    pub fn context(&self) -> Context<'static> {
        let Origin { address, tls } = self.origin;
        Context { source_ip: address, tls, now: jiff::Timestamp::now(), list_prefix: None, operation: None }
    }

    /// The same without the bound of a token.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { principal: self.principal.unbound(), ..self.clone() }
    }
}

/// The id of one request, unique and ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A new one.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
