//! May this principal do this to that? [`decide`] is pure; no match denies.

use crate::artifact::name::RepositoryName;
use crate::error::{Error, Result};
use crate::identity::{GrantTarget, Principal, Role};

/// What can be done. Create and update are distinct: moving an existing tag needs update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::List, Self::Create, Self::Update, Self::Delete];

    const fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// What it is done to.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A repository and all in it.
    Repository(&'a RepositoryName),
    /// The list of repositories, and of buckets.
    Catalog,
    /// A bucket and its settings.
    Bucket(&'a str),
    /// An object: bucket and key.
    Object(&'a str, &'a str),
}

impl Resource<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository {name}"),
            Self::Catalog => "the catalog".to_owned(),
            Self::Bucket(name) => format!("bucket {name}"),
            Self::Object(bucket, key) => format!("object {bucket}/{key}"),
        }
    }
}

/// The settings that decide beside the principal.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Off: everybody may do everything.
    pub access_control: bool,
    /// On: everybody may read and list.
    pub anonymous_read: bool,
    /// On: nobody may change anything.
    pub read_only: bool,
}

/// The outcome, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// The store takes no changes from anybody.
    ReadOnly,
    /// The token's scope does not cover it.
    OutOfScope,
    /// Nothing allows it.
    NoMatch,
}

/// Decides on one action.
pub fn decide(policy: Policy, principal: &Principal, action: Action, resource: Resource<'_>) -> Decision {
    if policy.read_only && action.changes() {
        return Decision::ReadOnly;
    }
    if !policy.access_control {
        return Decision::Allow;
    }
    let readable = matches!(action, Action::Read | Action::List);
    let allowed = match principal.role {
        Role::Admin => true,
        Role::Reader => readable,
        Role::Anonymous => readable && policy.anonymous_read,
    };
    if !allowed {
        return Decision::NoMatch;
    }
    // what everybody may do needs no token, so a token of less scope does not take it away
    let public = readable && policy.anonymous_read;
    if public || in_bound(principal, action, resource) { Decision::Allow } else { Decision::OutOfScope }
}

fn in_bound(principal: &Principal, action: Action, resource: Resource<'_>) -> bool {
    let Some(grants) = &principal.bound else { return true };
    grants.iter().any(|grant| {
        let target = match (&grant.target, resource) {
            (GrantTarget::Repository(granted), Resource::Repository(name)) => granted == name.as_str(),
            (GrantTarget::Catalog, Resource::Catalog) => true,
            _ => false,
        };
        target && grant.actions.contains(&action)
    })
}

impl Policy {
    /// Decides, and says no in the way that the caller can act on: an anonymous one is asked to authenticate.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::InsufficientScope`], [`Error::Denied`].
    pub fn require(self, principal: &Principal, action: Action, resource: Resource<'_>) -> Result<()> {
        match decide(self, principal, action, resource) {
            Decision::Allow => Ok(()),
            Decision::ReadOnly => Err(Error::Denied("the store is read-only".to_owned())),
            _ if principal.is_anonymous() => Err(Error::Unauthenticated),
            Decision::OutOfScope => Err(Error::InsufficientScope(format!(
                "the token's scope does not allow {} on {}; ask for a token of that scope",
                action.as_str(),
                resource.describe()
            ))),
            Decision::NoMatch => {
                Err(Error::Denied(format!("no policy allows {} on {}", action.as_str(), resource.describe())))
            }
        }
    }

    /// Whether the principal may read every repository, whichever it is.
    pub fn reads_everything(self, principal: &Principal) -> bool {
        let reader = matches!(principal.role, Role::Admin | Role::Reader) && principal.bound.is_none();
        !self.access_control || self.anonymous_read || reader
    }

    /// Whether it is allowed, for statements that carry the rights into the database.
    pub fn allows(self, principal: &Principal, action: Action, resource: Resource<'_>) -> bool {
        decide(self, principal, action, resource) == Decision::Allow
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Grant;

    fn principal(role: Role, bound: Option<Vec<Grant>>) -> Principal {
        Principal { subject: "x".to_owned(), role, bound }
    }

    fn policy(access_control: bool, anonymous_read: bool, read_only: bool) -> Policy {
        Policy { access_control, anonymous_read, read_only }
    }

    fn repository(name: &str) -> RepositoryName {
        name.parse().unwrap()
    }

    #[test]
    fn a_scope_covers_exactly_its_repository() {
        let bound = vec![Grant { target: GrantTarget::Repository("team/b".to_owned()), actions: vec![Action::Read] }];
        let caller = principal(Role::Admin, Some(bound));
        let read = |name: &str| {
            decide(policy(true, false, false), &caller, Action::Read, Resource::Repository(&repository(name)))
        };
        assert_eq!(read("team/b"), Decision::Allow);
        for other in ["team/bc", "team/b/c", "team"] {
            assert_eq!(read(other), Decision::OutOfScope, "{other}");
        }
    }

    #[test]
    fn nobody_changes_a_read_only_store() {
        let name = repository("team/app");
        for action in [Action::Create, Action::Update, Action::Delete] {
            let decision =
                decide(policy(false, true, true), &principal(Role::Admin, None), action, Resource::Repository(&name));
            assert_eq!(decision, Decision::ReadOnly);
        }
    }

    #[test]
    fn the_anonymous_are_asked_to_authenticate_and_others_are_denied() {
        let name = repository("team/app");
        let require = |role| {
            policy(true, false, false).require(&principal(role, None), Action::Create, Resource::Repository(&name))
        };
        assert!(matches!(require(Role::Anonymous), Err(Error::Unauthenticated)));
        assert!(matches!(require(Role::Reader), Err(Error::Denied(_))));
        assert!(require(Role::Admin).is_ok());
    }

    fn roles() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Admin), Just(Role::Reader), Just(Role::Anonymous)]
    }

    proptest! {
        #[test]
        fn a_bound_never_widens(role in roles(), anonymous: bool, read_only: bool, action in 0usize..5, granted in 0usize..5) {
            let name = repository("team/app");
            let bound = vec![Grant { target: GrantTarget::Repository("team/app".to_owned()), actions: vec![Action::ALL[granted]] }];
            let policy = policy(true, anonymous, read_only);
            let bounded = decide(policy, &principal(role, Some(bound)), Action::ALL[action], Resource::Repository(&name));
            let free = decide(policy, &principal(role, None), Action::ALL[action], Resource::Repository(&name));
            prop_assert!(bounded != Decision::Allow || free == Decision::Allow);
        }

        #[test]
        fn the_anonymous_never_change_anything_under_access_control(anonymous: bool, read_only: bool, action in 2usize..5) {
            let name = repository("team/app");
            let decision = decide(
                policy(true, anonymous, read_only), &Principal::anonymous(), Action::ALL[action], Resource::Repository(&name),
            );
            prop_assert_ne!(decision, Decision::Allow);
        }
    }
}
