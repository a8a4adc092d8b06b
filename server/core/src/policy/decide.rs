//! The decision on one request: a pure function.

use super::condition::Context;
use super::resource::Resource;
use super::rules::{Rules, Verdict};
use crate::action::Action;
use crate::principal::{Grant, GrantTarget, Principal};

/// Settings that take part in the decision.
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
    /// Whether it is allowed.
    pub allowed: bool,
    pub reason: Reason,
    /// The policy that decided, if one did.
    pub policy: Option<String>,
}

/// The reason for a decision.
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
    /// A policy would allow it if its conditions held. Only explanations have this.
    Conditions,
    /// The policies about it take more steps than one decision may.
    TooComplex,
    /// The store is read-only.
    ReadOnly,
    /// The token's scope does not cover it.
    OutOfScope,
}

impl Reason {
    /// The text for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "access control is off",
            Self::BreakGlass => "the admin's key may do everything",
            Self::Allowed => "a policy allows it",
            Self::Denied => "denied by policy",
            Self::NoMatch => "no policy allows it",
            Self::Conditions => "no policy allows it; the conditions of one that would do not hold",
            Self::TooComplex => "the policies about it have too many or too long patterns to decide",
            Self::ReadOnly => "the store is read-only",
            Self::OutOfScope => "the token's scope does not cover it",
        }
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
            Verdict::TooComplex => return decision(false, Reason::TooComplex, None),
            Verdict::Silent => return decision(false, Reason::NoMatch, None),
        }
    };
    if in_bound(principal, action, resource) {
        return decision(true, reason, policy);
    }
    // rights that everybody has need no token, so a narrower token does not remove them
    match rules.verdict(&Principal::anonymous(), action, resource, context) {
        Verdict::Allowed(public) => decision(true, Reason::Allowed, Some(public)),
        Verdict::Denied(_) | Verdict::TooComplex | Verdict::Silent => decision(false, Reason::OutOfScope, None),
    }
}

/// Whether a token covers the catalog of names.
pub fn covers_catalog(principal: &Principal) -> bool {
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
