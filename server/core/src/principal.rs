//! Who asks: one [`Principal`] whichever way the request was authenticated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::action::Action;

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
    pub(crate) all_names: Arc<[String]>,
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
        let (all_names, claims) = (Arc::clone(&names), Arc::new(claims));
        Self { subject: subject.to_owned(), names, all_names, claims, bound: None, kind }
    }

    /// The same, who also has these names as far as something is denied or revoked.
    #[must_use]
    pub fn with_all_names(mut self, more: impl IntoIterator<Item = String>) -> Self {
        let mut more = more.into_iter().peekable();
        if more.peek().is_some() {
            self.all_names = sorted(self.all_names.iter().cloned().chain(more).collect());
        }
        self
    }

    /// The same with further names.
    #[must_use]
    pub fn also(mut self, more: &[String]) -> Self {
        self.names = sorted([&*self.names, more].concat());
        self.with_all_names(more.iter().cloned())
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
    pub fn all_names(&self) -> &[String] {
        &self.all_names
    }

    /// Its names of one kind, without the kind: `role` gives its roles.
    pub fn names_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.names, kind)
    }

    /// The same of all that it holds.
    pub fn all_names_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.all_names, kind)
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
    pub(crate) fn ever_had_name(&self, name: &str) -> bool {
        is_among(&self.all_names, name)
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
