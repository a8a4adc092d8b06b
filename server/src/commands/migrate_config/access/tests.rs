//! Compares zot's decisions, by its own rules, with those of the migrated policies.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;
use zot_core::action::Action;
use zot_core::policy::{Context, Resource, Rules, Settings, decide};
use zot_core::principal::Principal;

use super::*;

/// Whether doublestar's pattern matches a name; both without the first `at` components.
fn covers(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, _) => name.is_empty(),
        (Some((&"**", rest)), None) => covers(rest, name),
        (Some((&"**", rest)), Some((_, tail))) => covers(rest, name) || covers(pattern, tail),
        (Some((wanted, rest)), Some((found, tail))) => {
            within(wanted.as_bytes(), found.as_bytes()) && covers(rest, tail)
        }
        (Some(_), None) => false,
    }
}

fn within(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((b'*', rest)), None) => within(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => within(rest, text) || within(glob, tail),
        (Some((b'?', rest)), Some((_, tail))) => within(rest, tail),
        (Some((wanted, rest)), Some((found, tail))) => wanted == found && within(rest, tail),
        (Some(_), None) => false,
    }
}

/// A caller: a name, or none without credentials, and groups.
#[derive(Clone, Debug)]
struct Caller {
    name: Option<&'static str>,
    groups: Vec<&'static str>,
    has_password: bool,
}

impl Caller {
    fn principal(&self) -> Principal {
        let Some(name) = self.name else { return Principal::anonymous() };
        let kind = if self.has_password { "account" } else { "user" };
        let groups = self.groups.iter().map(|group| format!("group:{group}"));
        Principal::known(name, groups.chain([format!("{kind}:{name}")]), BTreeMap::default())
    }

    fn anonymous() -> Self {
        Self { name: None, groups: Vec::new(), has_password: false }
    }
}

/// Whether zot allows it, with or without the credentials, whichever of equally long patterns it uses.
fn zot_permits(zot: &AccessControl, caller: &Caller, action: &str, repository: &str) -> bool {
    let name: Vec<_> = repository.split('/').collect();
    let matching = zot.repositories.keys().filter(|it| covers(&it.split('/').collect::<Vec<_>>(), &name));
    let longest = matching.clone().map(String::len).max();
    let mut deciding = matching.filter(|it| Some(it.len()) == longest).peekable();
    let mut groups = caller.groups.clone();
    if caller.has_password {
        let own = zot.groups.iter().filter(|(_, it)| it.users.iter().any(|user| Some(user.as_str()) == caller.name));
        groups.extend(own.map(|(name, _)| name.clone().leak() as &str));
    }
    let is_in = |rule: &Rule| {
        rule.users.iter().any(|user| Some(user.as_str()) == caller.name)
            || rule.groups.iter().any(|group| groups.contains(&group.as_str()))
    };
    let has = |list: &[String], action: &str| list.iter().any(|it| it == action);
    let gives = |it: &Repositories, action: &str| {
        it.policies.iter().any(|rule| has(&rule.actions, action) && is_in(rule))
            || caller.name.is_some() && has(&it.default_policy, action)
    };
    let is_admin = has(&zot.admin_policy.actions, action) && is_in(&zot.admin_policy);
    // with it zot may refuse a deletion by digest, which this store does not
    let refuses = |it: &Repositories| action == "delete" && gives(it, COLLISION);
    if deciding.peek().is_none() {
        return is_admin;
    }
    deciding
        .map(|it| &zot.repositories[it])
        .all(|it| (is_admin || gives(it, action)) && !refuses(it) || has(&it.anonymous_policy, action))
}

fn rules(migrated: &Migrated) -> Rules {
    Rules::new(migrated.policies.iter().map(|policy| policy.statement().unwrap()).collect(), HashSet::new())
}

fn we_permit(rules: &Rules, caller: &Caller, action: &str, repository: &str) -> bool {
    let action = Action::ALL.into_iter().find(|it| it.as_str() == action).unwrap();
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    let context = Context { source_ip: None, tls: false, now, list_prefix: None, operation: None };
    let settings = Settings { access_control: true, anonymous_read: false, read_only: false };
    let name = repository.parse().unwrap();
    decide(settings, rules, &caller.principal(), action, Resource::Repository(&name), &context).allowed
}

const PATTERNS: [&str; 13] = [
    "**",
    "team/**",
    "team/app",
    "team/a/**",
    "team/*",
    "*",
    "other/**",
    "*/app",
    "te?m/**",
    "team/**/x",
    "teams/**",
    "team",
    "**/x",
];
const NAMES: [&str; 9] =
    ["team", "team/app", "team/a", "team/a/b", "team/a/x", "teams/app", "teams/app/x", "other/app", "more"];
const WORDS: [&str; 5] = ["read", "create", "update", "delete", COLLISION];

fn some_of(from: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(from.to_vec(), 0..=most)
}

fn rule() -> impl Strategy<Value = Value> {
    (some_of(&["anna", "ben", "cleo"], 2), some_of(&["devs", "ops"], 1), some_of(&WORDS, 4))
        .prop_map(|(users, groups, actions)| json!({"users": users, "groups": groups, "actions": actions}))
}

fn access_control() -> impl Strategy<Value = Value> {
    let repositories = (proptest::collection::vec(rule(), 0..3), some_of(&WORDS[..4], 2), some_of(&WORDS[..4], 1));
    let repositories = repositories.prop_map(|(policies, everybody, anonymous)| {
        json!({"policies": policies, "defaultPolicy": everybody, "anonymousPolicy": anonymous})
    });
    let patterns = proptest::collection::btree_map(proptest::sample::select(&PATTERNS[..]), repositories, 1..5);
    (patterns, rule(), some_of(&["anna", "ben"], 2)).prop_map(|(patterns, admin, devs)| {
        json!({"repositories": patterns, "adminPolicy": admin, "groups": {"devs": {"users": devs}}})
    })
}

fn callers() -> Vec<Caller> {
    let mut all = vec![Caller::anonymous()];
    for name in ["anna", "ben", "cleo", "zoe"] {
        for groups in [vec![], vec!["devs"], vec!["ops"], vec!["devs", "ops"]] {
            all.extend([true, false].map(|has_password| Caller {
                name: Some(name),
                groups: groups.clone(),
                has_password,
            }));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nobody_may_do_more_than_with_zot(given in access_control()) {
        let zot = AccessControl::read(&given).unwrap();
        let rules = rules(&zot.policies(&[]).unwrap());
        for caller in callers() {
            for repository in NAMES {
                for action in &WORDS[..4] {
                    prop_assert!(
                        zot_permits(&zot, &caller, action, repository) || !we_permit(&rules, &caller, action, repository),
                        "{:?} may {} {} here, and not in zot", caller, action, repository
                    );
                }
            }
        }
    }
}

/// Whether a caller can exist: only the file says who is in its groups by password.
fn may_exist(zot: &AccessControl, caller: &Caller) -> bool {
    let is_member = |group: &Group| group.users.iter().any(|user| Some(user.as_str()) == caller.name);
    !caller.has_password || caller.groups.iter().all(|group| zot.groups.get(*group).is_none_or(is_member))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whoever_may_do_less_than_with_zot_is_warned_of(given in access_control()) {
        let zot = AccessControl::read(&given).unwrap();
        let migrated = zot.policies(&[]).unwrap();
        let rules = rules(&migrated);
        for caller in callers().into_iter().filter(|caller| may_exist(&zot, caller)) {
            let principal = caller.principal();
            let named = principal.names().iter().map(String::as_str).chain(["everybody", "anybody", "to anonymous:", "to *:"]).collect::<Vec<_>>();
            for (repository, action) in NAMES.iter().flat_map(|name| WORDS[..4].iter().map(move |action| (name, action))) {
                let is_warned = |warning: &String| {
                    warning.contains("denied for more repositories")
                        || warning.starts_with(action) && named.iter().any(|name| warning.contains(name))
                };
                prop_assert!(
                    !zot_permits(&zot, &caller, action, repository)
                        || we_permit(&rules, &caller, action, repository)
                        || migrated.warnings.iter().any(is_warned),
                    "{:?} may not {} {} here: {:#?}", caller, action, repository, migrated.warnings
                );
            }
        }
    }
}

/// A token names a group that the file defines too, for users with a password.
#[test]
fn members_of_a_group_have_what_others_with_the_group_have() {
    let zot = AccessControl::read(&json!({
        "groups": {"devs": {"users": ["anna", "ben"]}, "ops": {"users": ["cleo"]}},
        "repositories": {
            "**": {"policies": [{"groups": ["ops"], "actions": ["read", "create"]}], "defaultPolicy": ["read", "create"]},
            "team/**": {"policies": [{"groups": ["devs"], "actions": ["read", "create"]}]},
        },
        "adminPolicy": {"groups": ["ops"], "actions": ["read", "create", "update", "delete"]},
    }));
    let rules = rules(&zot.unwrap().policies(&["ben".to_owned()]).unwrap());
    for (name, group, may_create) in
        [("ben", "devs", true), ("zoe", "devs", true), ("cleo", "ops", true), ("ben", "more", false)]
    {
        let caller = Caller { name: Some(name), groups: vec![group], has_password: false };
        assert_eq!(we_permit(&rules, &caller, "create", "team/app"), may_create, "{caller:?}");
    }
    for name in ["anna", "ben", "cleo"] {
        assert!(we_permit(&rules, &account(name), "create", "team/app"), "{name}");
    }
}

fn account(name: &'static str) -> Caller {
    Caller { name: Some(name), groups: Vec::new(), has_password: true }
}

/// Without rules that cannot be expressed: every named user keeps all permissions.
#[test]
fn named_users_may_do_what_they_did() {
    for given in [
        json!({
            "groups": {"devs": {"users": ["anna", "ben"]}},
            "repositories": {
                "**": {"policies": [{"users": ["cleo"], "groups": ["devs"], "actions": ["read", "create", "update"]}],
                    "defaultPolicy": ["read", "create"]},
                "team/**": {"defaultPolicy": ["read", "create", "update"]},
                "other/**": {"policies": [{"users": ["anna", "ben"], "actions": ["create", "read", "update", "delete"]}],
                    "defaultPolicy": ["read"]},
                "team/app": {"policies": [{"users": ["cleo"], "groups": ["devs"], "actions": ["read", "create"]}],
                    "defaultPolicy": ["read"]},
            },
            "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
        }),
        json!({"repositories": {"team/**": {"policies": [{"users": ["anna"], "actions": ["read"]}]},
            "team/a/**": {"policies": [{"users": ["ben"], "actions": ["read", "delete"]}], "anonymousPolicy": ["read"]}}}),
        json!({"Repositories": {"Team/**": {"DefaultPolicy": ["read"]}}, "adminPolicy": {"groups": ["devs"], "actions": ["delete"]},
            "groups": {"devs": {"users": ["anna"]}}}),
    ] {
        let zot = AccessControl::read(&given).unwrap();
        let users = ["anna", "ben", "cleo", "root"];
        let rules = rules(&zot.policies(&users.map(ToOwned::to_owned)).unwrap());
        for caller in users.map(account).into_iter().chain([Caller::anonymous()]) {
            for (repository, action) in
                NAMES.iter().flat_map(|name| WORDS[..4].iter().map(move |action| (name, action)))
            {
                let before = zot_permits(&zot, &caller, action, repository);
                assert_eq!(we_permit(&rules, &caller, action, repository), before, "{caller:?} {action} {repository}");
            }
        }
    }
}

#[test]
fn what_is_not_the_same_is_said() {
    let warnings = |given: Value| AccessControl::read(&given).unwrap().policies(&[]).unwrap().warnings.join("\n");
    let one = |pattern: &str, it: Value| warnings(json!({"repositories": {pattern: it}}));
    for (said, wanted) in [
        (one("**", json!({"policies": [{"users": ["anna"], "actions": ["read"]}]})), "an account with an access key"),
        (one("**", json!({"defaultPolicy": ["read", "create"]})), "`latest`"),
        (one("**", json!({"anonymousPolicy": ["read"]})), "without credentials"),
        (one("**", json!({"defaultPolicy": ["delete", COLLISION]})), "delete of \"**\" is not allowed"),
        (one("team/*", json!({"defaultPolicy": ["read"]})), "no pattern here covers the same"),
        (one("**", json!({"defaultPolicy": ["push"]})), "\"push\" is not one of zot"),
        (one("x/**", json!({"defaultPolicy": ["read"]})), "no repository here can match it"),
        (one("**", json!({"policies": [{"users": ["a*"], "actions": ["read"]}]})), "left out: "),
        (warnings(json!({"metrics": {"users": ["anna"]}})), "accessControl.metrics"),
        (
            warnings(json!({"repositories": {"**": {"defaultPolicy": ["read"]},
                "team/**": {"policies": [{"users": ["anna"], "actions": ["read"]}]}}})),
            "add others to the principals",
        ),
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(!said.contains("/api/v1"), "{said}");
    }
}

#[test]
fn what_is_not_understood_is_not_dropped() {
    for (given, wanted) in [
        (json!({"**": {"defaultPolicy": ["read"]}}), "unknown field `**`"),
        (json!({"repositories": {"**": {"deny": ["anna"]}}}), "unknown field `deny`"),
        (json!({"repositories": {"a/**": {}, "A/**": {}}}), "twice"),
    ] {
        assert!(AccessControl::read(&given).unwrap_err().contains(wanted), "{given}");
    }
}
