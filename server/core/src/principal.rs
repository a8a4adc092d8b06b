//! The caller: one [`Principal`] for all kinds of credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::action::Action;

/// The identity of a caller. Cheap to clone, even with many groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name in the audit trail, such as `user:alice`, `key:AKIA…`, `serviceaccount:ci:builder` or `anonymous`.
    pub subject: String,
    /// The names for statements that allow, sorted: `user:…`, `role:…`, `group:…`, `serviceaccount:…`, `key:…`.
    pub(crate) names: Arc<[String]>,
    /// These names and those that the principal gave up, sorted: for statements that deny, and for revocations. A caller
    /// who gives up names must not evade denials.
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
    /// A caller without credentials.
    pub fn anonymous() -> Self {
        Self::of_kind(Kind::Anonymous, "anonymous", Vec::new(), BTreeMap::new())
    }

    /// A principal with these names.
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

    /// Adds names that count only for denials and revocations.
    #[must_use]
    pub fn with_all_names(mut self, more: impl IntoIterator<Item = String>) -> Self {
        let mut more = more.into_iter().peekable();
        if more.peek().is_some() {
            self.all_names = sorted(self.all_names.iter().cloned().chain(more).collect());
        }
        self
    }

    #[must_use]
    pub fn also(mut self, more: &[String]) -> Self {
        self.names = sorted([&*self.names, more].concat());
        self.with_all_names(more.iter().cloned())
    }

    /// Limits the principal to a token's grants.
    #[must_use]
    pub fn bounded(mut self, grants: Vec<Grant>) -> Self {
        self.bound = Some(grants);
        self
    }

    /// Keeps only one role of all its roles and groups. There is no result if it does not have the role. Denials of the
    /// others still apply.
    pub fn as_role(&self, role: &str) -> Option<Self> {
        if role == "self" {
            return Some(self.clone());
        }
        let wanted = format!("role:{role}");
        let kept = |name: &&String| !name.starts_with("role:") && !name.starts_with("group:") || **name == wanted;
        let names = self.names.iter().filter(kept).cloned().collect();
        self.has_name(&wanted).then(|| Self { names, ..self.clone() })
    }

    /// Removes the token's limit.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { bound: None, ..self.clone() }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names for denials and revocations: its own, and those that it gave up.
    pub fn all_names(&self) -> &[String] {
        &self.all_names
    }

    /// Its names of one kind, without the kind: `role` gives its roles.
    pub fn names_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.names, kind)
    }

    /// The names of one kind, including those that it gave up.
    pub fn all_names_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        of_kind(&self.all_names, kind)
    }

    /// Whether the caller has no credentials.
    pub fn is_anonymous(&self) -> bool {
        self.kind == Kind::Anonymous
    }

    /// Whether no policy can deny it anything.
    pub fn is_break_glass(&self) -> bool {
        self.kind == Kind::BreakGlass
    }

    /// Whether it has that name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        is_among(&self.names, name)
    }

    /// Whether it has that name, or gave it up.
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
    /// The repository or catalog.
    pub target: GrantTarget,
    pub actions: Vec<Action>,
}

/// The target of a token's grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantTarget {
    /// Exactly this repository: `a/b` covers neither `a/bc` nor `a/b/c`.
    Repository(String),
    /// The catalog of the registry.
    Catalog,
}
