//! Translates zot's `accessControl` into policies.
//!
//! In zot only the longest pattern that matches a repository decides. Here every policy counts, and a deny wins. So
//! what a shorter pattern allows and a longer one does not is denied for the longer one. If that would deny it to
//! somebody who has it in zot, the shorter pattern's permission is not migrated: nobody may do more than with zot.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use zot_core::policy::{Effect, Policy, PrincipalPattern, ResourcePattern};

use super::pattern::Pattern;
use crate::error::Error;

/// zot's action that refuses the deletion of a manifest with several tags.
const COLLISION: &str = "detectManifestCollision";
/// zot's actions in this store. zot's `read` also lists tags and repositories.
const ACTIONS: [(&str, &[&str]); 4] =
    [("read", &["read", "list"]), ("create", &["create"]), ("update", &["update"]), ("delete", &["delete"])];
/// Most principals of one policy.
const PRINCIPALS_MAX: usize = 1000;

/// zot's `http.accessControl`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccessControl {
    repositories: BTreeMap<String, Repositories>,
    #[serde(rename = "adminpolicy")]
    admin_policy: Rule,
    groups: BTreeMap<String, Group>,
    metrics: Group,
}

/// The rules for the repositories of one pattern.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Repositories {
    policies: Vec<Rule>,
    #[serde(rename = "defaultpolicy")]
    default_policy: Vec<String>,
    #[serde(rename = "anonymouspolicy")]
    anonymous_policy: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rule {
    users: Vec<String>,
    groups: Vec<String>,
    actions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Group {
    users: Vec<String>,
}

/// The policies, in the order in which they must be sent, and warnings about differences from zot.
#[derive(Debug, Default)]
pub(super) struct Migrated {
    pub policies: Vec<Policy>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Callers without credentials. A policy for them applies to everybody here.
    Anonymous,
    /// Everybody with credentials: `defaultPolicy`.
    Authenticated,
    /// A user with a password. The groups in zot's configuration contain only such users.
    Account(String),
    /// A user of an OIDC provider.
    User(String),
    /// Users whose provider (OIDC or LDAP) names this group.
    Group(String),
}

impl Who {
    fn principal(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Authenticated => "*".to_owned(),
            Self::Account(name) => format!("account:{name}"),
            Self::User(name) => format!("user:{name}"),
            Self::Group(name) => format!("group:{name}"),
        }
    }
}

/// The principals by pattern and actions.
type Entries = BTreeMap<(String, Vec<&'static str>), BTreeSet<Who>>;

impl AccessControl {
    /// Parses `http.accessControl`.
    ///
    /// # Errors
    /// What is wrong with it. Nothing is ignored, because it might deny access.
    pub(super) fn read(given: &Value) -> Result<Self, String> {
        serde_json::from_value(lower(given)?).map_err(|error| error.to_string())
    }

    /// A zot with authentication but without access control.
    pub(super) fn everything_for_the_authenticated() -> Self {
        let default_policy = ACTIONS.iter().map(|(action, _)| (*action).to_owned()).collect();
        let repositories = Repositories { default_policy, ..Repositories::default() };
        Self { repositories: BTreeMap::from([("**".to_owned(), repositories)]), ..Self::default() }
    }

    /// The policies; `users` are users that zot knows besides those in the file.
    pub(super) fn policies(&self, users: &[String]) -> Result<Migrated, Error> {
        Translation::new(self, users).policies()
    }

    fn is_admin(&self, who: &Who, action: &str) -> bool {
        self.admin_policy.gives(action) && self.is_in(who, &self.admin_policy)
    }

    fn is_in(&self, who: &Who, rule: &Rule) -> bool {
        match who {
            Who::Anonymous | Who::Authenticated => false,
            Who::User(name) => rule.users.contains(name),
            Who::Group(name) => rule.groups.contains(name),
            Who::Account(name) => {
                let by_group = |group: &String| self.groups.get(group).is_some_and(|group| group.users.contains(name));
                rule.users.contains(name) || rule.groups.iter().any(by_group)
            }
        }
    }
}

/// The same with lower-case keys, patterns and group names included: zot reads all keys like this.
fn lower(value: &Value) -> Result<Value, String> {
    Ok(match value {
        Value::Object(map) => {
            let mut lowered = Map::new();
            for (key, value) in map {
                if lowered.insert(key.to_lowercase(), lower(value)?).is_some() {
                    return Err(format!("{key:?} is given twice, in different case"));
                }
            }
            lowered.into()
        }
        Value::Array(list) => list.iter().map(lower).collect::<Result<Vec<_>, _>>()?.into(),
        other => other.clone(),
    })
}

impl Rule {
    fn gives(&self, action: &str) -> bool {
        self.actions.iter().any(|given| given == action)
    }
}

impl Repositories {
    fn lists(&self) -> impl Iterator<Item = &Vec<String>> {
        let policies = self.policies.iter().map(|rule| &rule.actions);
        policies.chain([&self.default_policy, &self.anonymous_policy])
    }

    /// Whether deletion differs from this store's.
    fn detects_collisions(&self) -> bool {
        self.lists().flatten().any(|action| action == COLLISION)
    }
}

struct Translation<'a> {
    from: &'a AccessControl,
    /// zot's patterns with their translation.
    patterns: Vec<(&'a str, Pattern, &'a Repositories)>,
    everybody: BTreeSet<Who>,
    warnings: BTreeSet<String>,
}

impl<'a> Translation<'a> {
    fn new(from: &'a AccessControl, users: &[String]) -> Self {
        let mut it = Self { from, patterns: Vec::new(), everybody: BTreeSet::new(), warnings: BTreeSet::new() };
        let rules = || from.repositories.values().flat_map(|it| &it.policies).chain([&from.admin_policy]);
        let named: BTreeSet<_> = rules().flat_map(|rule| &rule.users).collect();
        let members: BTreeSet<_> = from.groups.values().flat_map(|group| &group.users).collect();
        // the token of a group's member names the group: a deny for the member's name would win over the group's allow
        let users_by_token = users.iter().filter(|user| !members.contains(user)).chain(named.iter().copied());
        users_by_token.for_each(|user| it.add(Who::User(user.clone())));
        for user in named.into_iter().chain(members.iter().copied()).chain(users) {
            it.add(Who::Account(user.clone()));
        }
        rules().flat_map(|rule| &rule.groups).for_each(|group| it.add(Who::Group(group.clone())));
        it.everybody.extend([Who::Anonymous, Who::Authenticated]);
        for (text, repositories) in &from.repositories {
            let pattern = Pattern::of(text);
            match (pattern.at_least().parse::<ResourcePattern>(), &pattern) {
                (Ok(_), _) => it.patterns.push((text, pattern, repositories)),
                (Err(why), _) => {
                    it.warn(format!("pattern {text:?} is left out, as no repository here can match it: {why}"));
                }
            }
        }
        it
    }

    fn warn(&mut self, text: String) {
        self.warnings.insert(text);
    }

    /// Adds a principal, unless no policy can have its name.
    fn add(&mut self, who: Who) {
        match who.principal().parse::<PrincipalPattern>() {
            Ok(_) => drop(self.everybody.insert(who)),
            Err(why) => self.warn(format!("left out: {why}")),
        }
    }

    /// Whether zot allows this if the pattern at `index` decides.
    fn permits(&self, who: &Who, action: &str, index: usize) -> bool {
        let (_, _, it) = &self.patterns[index];
        if action == "delete" && it.detects_collisions() {
            return false;
        }
        let has = |list: &[String]| list.iter().any(|given| given == action);
        // authenticated users can leave out their credentials
        has(&it.anonymous_policy)
            || *who != Who::Anonymous && has(&it.default_policy)
            || self.is_admin(who, action)
            || it.policies.iter().any(|rule| rule.gives(action) && self.from.is_in(who, rule))
    }

    fn is_admin(&self, who: &Who, action: &str) -> bool {
        let limited = action == "delete" && self.patterns.iter().any(|(_, _, it)| it.detects_collisions());
        !limited && self.from.is_admin(who, action)
    }

    /// Longer patterns that overlap with this one and do not allow what it does. Of two equally long ones, zot may use
    /// either.
    fn conflicts(&self, who: &Who, action: &str, index: usize) -> Vec<usize> {
        self.longer(index).filter(|other| *other != index && !self.permits(who, action, *other)).collect()
    }

    /// The pattern itself, and those that decide instead of it.
    fn longer(&self, index: usize) -> impl Iterator<Item = usize> {
        let (text, pattern, _) = &self.patterns[index];
        (0..self.patterns.len()).filter(move |other| {
            let (longer, it, _) = &self.patterns[*other];
            longer.len() >= text.len() && pattern.may_meet(it)
        })
    }

    /// Whether a caller may be both. Of the groups in the configuration, an account's are known.
    fn may_be_both(&self, who: &Who, other: &Who) -> bool {
        match (who, other) {
            (Who::User(_), Who::Group(_)) | (Who::Group(_), _) => true,
            (Who::Account(_), Who::Group(group)) => !self.from.groups.contains_key(group),
            (Who::Anonymous | Who::Authenticated | Who::User(_) | Who::Account(_), _) => false,
        }
    }

    /// Whether denying this to `who` for a pattern denies it to somebody whom zot allows it.
    fn hits_others(&self, who: &Who, action: &str, index: usize) -> bool {
        let permitted = |at: usize| self.everybody.iter().any(|other| self.permits(other, action, at));
        let permitted_to_same = |at: usize| {
            self.everybody.iter().any(|other| self.may_be_both(who, other) && self.permits(other, action, at))
        };
        match who {
            Who::Anonymous | Who::Authenticated => {
                self.longer(index).any(permitted) || self.everybody.iter().any(|other| self.is_admin(other, action))
            }
            Who::Account(_) | Who::User(_) | Who::Group(_) => {
                self.longer(index).any(|at| permitted_to_same(at) || at != index && self.permits(who, action, at))
            }
        }
    }

    fn policies(mut self) -> Result<Migrated, Error> {
        let (mut allowed, mut denied) = (Entries::new(), Entries::new());
        for (action, ours) in ACTIONS {
            for who in &self.everybody.clone() {
                self.of(who, (action, ours), &mut allowed, &mut denied);
            }
        }
        self.other_warnings();
        let mut policies = documents(Effect::Deny, denied);
        policies.extend(documents(Effect::Allow, allowed));
        for policy in &policies {
            policy.statement().map_err(zot_domain::Error::from)?;
        }
        Ok(Migrated { policies, warnings: self.warnings.into_iter().collect() })
    }

    /// Adds what one principal may do.
    fn of(&mut self, who: &Who, action: (&str, &'static [&'static str]), allowed: &mut Entries, denied: &mut Entries) {
        let ((action, ours), principal) = (action, who.principal());
        let enter = |entries: &mut Entries, resource: String| {
            entries.entry((resource, ours.to_vec())).or_default().insert(who.clone());
        };
        if self.is_admin(who, action) {
            return enter(allowed, "repository:*".to_owned());
        }
        for index in 0..self.patterns.len() {
            let text = self.patterns[index].0;
            if !self.permits(who, action, index) || self.is_given_to_all(who, action, index) {
                continue;
            }
            let Some(resource) = self.patterns[index].1.same() else {
                self.warn(format!(
                    "{action} of {text:?} is not allowed to {principal}: no pattern here covers the same repositories; write a \
                     policy for those that you mean"
                ));
                continue;
            };
            let conflicts = self.conflicts(who, action, index);
            if matches!(who, Who::Anonymous | Who::Authenticated)
                && let Some(other) = conflicts.iter().find(|other| self.hits_others(who, action, **other))
            {
                let other = self.patterns[*other].0;
                self.warn(format!(
                    "{action} of {text:?} is not allowed to {} in general, as zot keeps {other:?} for others: it is allowed to \
                     the users and groups that the file names; add others to the principals of these policies",
                    if *who == Who::Anonymous { "everybody" } else { "everybody with credentials" }
                ));
                continue;
            }
            enter(allowed, resource);
            for other in conflicts {
                if self.hits_others(who, action, other) {
                    self.warn(format!(
                        "{action} of {:?} is denied to {principal}, also where another policy allows it to them or their groups",
                        self.patterns[other].0
                    ));
                }
                if self.patterns[other].1.same().is_none() {
                    self.warn(format!(
                        "what zot denies for {:?} is denied for more repositories",
                        self.patterns[other].0
                    ));
                }
                enter(denied, self.patterns[other].1.at_least());
            }
        }
    }

    /// Whether one policy allows it to everybody.
    fn is_given_to_all(&self, who: &Who, action: &str, index: usize) -> bool {
        let given = |all: &Who| {
            let conflicts = || self.conflicts(all, action, index);
            self.permits(all, action, index) && !conflicts().iter().any(|at| self.hits_others(all, action, *at))
        };
        !matches!(who, Who::Anonymous | Who::Authenticated) && given(&Who::Authenticated)
            || *who != Who::Anonymous && given(&Who::Anonymous)
    }

    fn other_warnings(&mut self) {
        let from = self.from;
        let named = self.everybody.iter().filter_map(|who| match who {
            Who::Account(name) => Some(name.as_str()),
            Who::Anonymous | Who::Authenticated | Who::User(_) | Who::Group(_) => None,
        });
        let accounts = named.collect::<Vec<_>>().join(", ");
        if !accounts.is_empty() {
            self.warn(format!(
                "passwords are not migrated: create an account with an access key for each user without an OIDC provider \
                 (POST /rbac/accounts, then /rbac/access-keys): {accounts}"
            ));
        }
        for (text, it) in &from.repositories {
            if it.detects_collisions() {
                self.warn(format!(
                    "delete of {text:?} is not allowed to anybody: this store has no {COLLISION}, and would delete a manifest with \
                     all its tags"
                ));
            }
            if !it.anonymous_policy.is_empty() {
                self.warn(format!(
                    "what {text:?} allows without credentials is allowed to everybody, also with credentials"
                ));
            }
            if it.lists().any(|list| list.iter().any(|it| it == "create") && !list.iter().any(|it| it == "update")) {
                self.warn("zot allows users with create to move the tag `latest`: here they need update".to_owned());
            }
        }
        let known = |action: &&String| **action != COLLISION && ACTIONS.iter().all(|(it, _)| it != action);
        let lists = from.repositories.values().flat_map(Repositories::lists).chain([&from.admin_policy.actions]);
        for action in lists.flatten().filter(known).collect::<BTreeSet<_>>() {
            self.warn(format!("the action {action:?} is not one of zot, and is left out"));
        }
        if !from.metrics.users.is_empty() {
            self.warn(
                "accessControl.metrics is left out: anyone who reaches the server may read its metrics".to_owned(),
            );
        }
    }
}

/// One policy for each pattern and set of actions.
fn documents(effect: Effect, entries: Entries) -> Vec<Policy> {
    let mut by_principals: BTreeMap<(String, BTreeSet<Who>), Vec<String>> = BTreeMap::new();
    for ((resource, actions), who) in entries {
        by_principals.entry((resource, who)).or_default().extend(actions.into_iter().map(ToOwned::to_owned));
    }
    let word = if effect == Effect::Deny { "deny" } else { "allow" };
    let mut policies = Vec::new();
    for ((resource, who), actions) in by_principals {
        let principals: Vec<_> = who.iter().map(Who::principal).collect();
        for principals in principals.chunks(PRINCIPALS_MAX) {
            policies.push(Policy {
                id: format!("zot-{word}-{}", policies.len() + 1),
                name: format!("zot: {word} {} of {}", actions.join(", "), resource.trim_start_matches("repository:")),
                resource: resource.clone(),
                actions: actions.clone(),
                effect,
                principals: principals.to_vec(),
                ..Policy::default()
            });
        }
    }
    policies
}

#[cfg(test)]
mod tests;
