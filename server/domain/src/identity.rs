//! Who asks: one [`Principal`] whichever way the request was authenticated.

use std::fmt;

use crate::policy::Action;

/// A fixed role. Policies replace these two; the seam stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// May do everything.
    Admin,
    /// May read and list everything.
    Reader,
    /// Nobody in particular.
    Anonymous,
}

/// The identity behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What the audit trail shows, such as `key:AKIA…` or `anonymous`.
    pub subject: String,
    /// Its role.
    pub role: Role,
    /// An upper bound, where the request came with a token of limited scope: policy is evaluated all the same.
    pub bound: Option<Vec<Grant>>,
}

impl Principal {
    /// Everybody who did not say who they are.
    pub fn anonymous() -> Self {
        Self { subject: "anonymous".to_owned(), role: Role::Anonymous, bound: None }
    }

    /// The same without the token's bound: what its holder may do.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { bound: None, ..self.clone() }
    }

    /// Whether nobody in particular asks.
    pub fn is_anonymous(&self) -> bool {
        self.role == Role::Anonymous
    }
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

/// One request: who asks, and under which id it is recorded.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub principal: Principal,
    /// The id that the client also gets; key of the audit row.
    pub request_id: RequestId,
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
