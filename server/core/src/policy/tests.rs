use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::action::Action;
use crate::name::RepositoryName;
use crate::principal::{Grant, GrantTarget, Principal};

const ON: Settings = Settings { access_control: true, anonymous_read: false, read_only: false };

fn context() -> Context<'static> {
    Context {
        source_ip: "192.0.2.7".parse().ok(),
        tls: true,
        now: "2026-11-24T12:00:00Z".parse().unwrap(),
        list_prefix: None,
        operation: None,
    }
}

fn principal(names: &[&str]) -> Principal {
    Principal::known("test", names.iter().map(|name| (*name).to_owned()), BTreeMap::new())
}

fn policy(effect: Effect, principals: &[&str], actions: &[&str], resource: &str) -> Policy {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Policy {
        id: format!("{effect:?} {resource}"),
        resource: resource.to_owned(),
        actions: owned(actions),
        effect,
        principals: owned(principals),
        ..Policy::default()
    }
}

fn rules(policies: &[Policy]) -> Rules {
    Rules::new(policies.iter().map(|policy| policy.statement().unwrap()).collect(), HashSet::new())
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn may(rules: &Rules, who: &Principal, action: Action, name: &str) -> bool {
    decide(ON, rules, who, action, Resource::Repository(&repository(name)), &context()).allowed
}

#[test]
fn deny_wins_and_no_match_denies() {
    let rules = rules(&[
        policy(Effect::Allow, &["role:dev"], &["read", "write"], "team/*"),
        policy(Effect::Deny, &["alice"], &["update"], "team/prod"),
    ]);
    let alice = principal(&["user:alice", "role:dev"]);
    assert!(may(&rules, &alice, Action::Read, "team/prod") && may(&rules, &alice, Action::Create, "team/prod"));
    assert!(!may(&rules, &alice, Action::Update, "team/prod"), "a deny wins");
    assert!(may(&rules, &alice, Action::Update, "team/test"));
    assert!(!may(&rules, &alice, Action::Delete, "team/test"), "nothing allows it");
    assert!(!may(&rules, &alice, Action::Read, "teams/test"));
    let decision =
        decide(ON, &rules, &alice, Action::Update, Resource::Repository(&repository("team/prod")), &context());
    assert_eq!((decision.reason, decision.policy.as_deref()), (Reason::Denied, Some("Deny team/prod")));
}

/// They are looked up by what stands before their first wildcard.
#[test]
fn a_glob_is_found_below_its_tree() {
    for (pattern, covered, not_covered) in [
        ("team/*/prod", &["team/a/prod", "team/a/b/prod"][..], &["team/prod", "teams/a/prod", "other/team/a/prod"][..]),
        ("team/a/v?", &["team/a/v1"], &["team/a/v12", "team/a"]),
        ("te*/app", &["team/app", "te/app", "te/x/app"], &["xte/app", "team/apps"]),
    ] {
        let rules = rules(&[policy(Effect::Allow, &["*"], &["read"], pattern)]);
        for (name, expected) in covered.iter().map(|it| (it, true)).chain(not_covered.iter().map(|it| (it, false))) {
            assert_eq!(may(&rules, &principal(&["user:x"]), Action::Read, name), expected, "{pattern} {name}");
        }
    }
}

#[test]
fn a_name_of_one_kind_is_none_of_another() {
    let rules = rules(&[policy(Effect::Allow, &["role:admin"], &["*"], "*")]);
    for stranger in ["user:role:admin", "user:admin", "group:admin", "key:role:admin"] {
        assert!(!may(&rules, &principal(&[stranger]), Action::Read, "team/app"), "{stranger}");
    }
    assert!(!may(&rules, &Principal::anonymous(), Action::Read, "team/app"));
}

#[test]
fn nobody_denies_the_break_glass_key() {
    let rules = rules(&[policy(Effect::Deny, &["*", "anonymous"], &["*"], "*")]);
    let key = Principal::break_glass("key:ADMIN");
    assert!(may(&rules, &key, Action::Delete, "team/app"));
    let read_only = Settings { read_only: true, ..ON };
    let name = repository("team/app");
    assert!(!decide(read_only, &rules, &key, Action::Delete, Resource::Repository(&name), &context()).allowed);
}

#[test]
fn everybody_is_more_than_everybody_who_says_who_they_are() {
    let authenticated = rules(&[policy(Effect::Allow, &[], &["read"], "team/*")]);
    let public = rules(&[policy(Effect::Allow, &["anonymous"], &["read"], "team/*")]);
    let someone = principal(&["user:x"]);
    assert!(
        may(&authenticated, &someone, Action::Read, "team/app") && may(&public, &someone, Action::Read, "team/app")
    );
    assert!(!may(&authenticated, &Principal::anonymous(), Action::Read, "team/app"));
    assert!(may(&public, &Principal::anonymous(), Action::Read, "team/app"));
}

#[test]
fn what_is_blocked_is_not_public() {
    let statements = vec![
        policy(Effect::Allow, &["anonymous"], &["read"], "*").statement().unwrap(),
        policy(Effect::Allow, &["alice"], &["read"], "team/*").statement().unwrap(),
    ];
    let rules = Rules::new(statements, HashSet::from(["team".to_owned()]));
    assert!(!may(&rules, &Principal::anonymous(), Action::Read, "team/app"));
    assert!(!may(&rules, &principal(&["user:bob"]), Action::Read, "team/app"));
    assert!(may(&rules, &principal(&["user:alice"]), Action::Read, "team/app"));
    assert!(may(&rules, &Principal::anonymous(), Action::Read, "other/app"));
}

#[test]
fn a_scope_covers_exactly_its_repository() {
    let grant = Grant { target: GrantTarget::Repository("team/b".to_owned()), actions: vec![Action::Read] };
    let rules = rules(&[
        policy(Effect::Allow, &["alice"], &["*"], "*"),
        policy(Effect::Allow, &["anonymous"], &["read"], "open/*"),
    ]);
    let alice = principal(&["user:alice"]).bounded(vec![grant]);
    assert!(may(&rules, &alice, Action::Read, "team/b"));
    for other in ["team/bc", "team/b/c", "team"] {
        assert!(!may(&rules, &alice, Action::Read, other), "{other}");
    }
    assert!(!may(&rules, &alice, Action::Delete, "team/b"));
    assert!(may(&rules, &alice, Action::Read, "open/x"), "what is public needs no scope");
}

#[test]
fn the_store_itself_is_for_those_who_administer() {
    let rules = rules(&[
        policy(Effect::Allow, &["role:viewer"], &["read", "list"], "*"),
        policy(Effect::Allow, &["role:admin"], &["*"], "*"),
        policy(Effect::Allow, &["role:auditor"], &["read"], "system:audit"),
    ]);
    let audit = |role: &str, action| {
        decide(ON, &rules, &principal(&[role]), action, Resource::System("audit"), &context()).allowed
    };
    assert!(!audit("role:viewer", Action::Read), "everything is every artifact");
    assert!(audit("role:admin", Action::Read) && audit("role:auditor", Action::Read));
    assert!(!audit("role:auditor", Action::Admin));
}

/// A policy that opens artifacts to everybody must not hand over the store.
#[test]
fn nobody_in_particular_administers() {
    let rules = rules(&[
        policy(Effect::Allow, &["anonymous"], &["*"], "*"),
        policy(Effect::Allow, &["anonymous"], &["*"], "system:*"),
    ]);
    let name = repository("team/app");
    let grant = Grant { target: GrantTarget::Repository("team/app".to_owned()), actions: vec![Action::Read] };
    let with_a_token = Principal::anonymous().bounded(vec![grant]);
    for who in [Principal::anonymous(), with_a_token] {
        let may = |action, resource| decide(ON, &rules, &who, action, resource, &context()).allowed;
        for action in Action::ALL {
            for area in ["policies", "accounts", "audit", "anything"] {
                assert!(!may(action, Resource::System(area)), "{action:?} {area}");
            }
            let artifacts = action != Action::Admin;
            assert_eq!(may(action, Resource::Repository(&name)), artifacts, "{action:?}");
            assert_eq!(may(action, Resource::Bucket("team")), artifacts, "{action:?}");
            assert_eq!(may(action, Resource::Object("team", "key")), artifacts, "{action:?}");
        }
    }
}

#[test]
fn all_of_an_area_is_the_area() {
    let rules = rules(&[
        policy(Effect::Allow, &["role:auditor"], &["read"], "system:*"),
        policy(Effect::Deny, &["user:a"], &["read"], "system:audit/*"),
    ]);
    let audit =
        |who: &[&str]| decide(ON, &rules, &principal(who), Action::Read, Resource::System("audit"), &context()).allowed;
    assert!(audit(&["role:auditor"]) && !audit(&["role:auditor", "user:a"]));
}

#[test]
fn one_role_keeps_what_is_denied_to_the_others() {
    let rules = rules(&[
        policy(Effect::Allow, &["role:developer"], &["read", "write"], "*"),
        policy(Effect::Allow, &["group:contractors"], &["delete"], "*"),
        policy(Effect::Deny, &["group:contractors"], &["*"], "prod/*"),
    ]);
    let whole = principal(&["user:a", "role:developer", "role:other", "group:contractors"]);
    let developer = whole.as_role("developer").unwrap();
    assert!(may(&rules, &developer, Action::Update, "team/app"));
    assert!(!may(&rules, &developer, Action::Delete, "team/app"), "the group allows it nothing");
    assert!(!may(&rules, &developer, Action::Read, "prod/app") && !may(&rules, &developer, Action::Update, "prod/app"));
    assert!(!rules.reads_everything(&developer));
    assert!(developer.as_role("other").is_none(), "what was given up does not come back");
}

#[test]
fn a_name_that_was_given_up_opens_nothing() {
    let user = |name: &str, effect, none| Statement {
        conditions: vec![Condition::User { globs: vec![name.to_owned()], none }],
        ..policy(effect, &["*"], &["read"], "*").statement().unwrap()
    };
    let all = policy(Effect::Allow, &["*"], &["read"], "*").statement().unwrap();
    let reads = |statements: Vec<Statement>, who: &Principal| {
        may(&Rules::new(statements, HashSet::new()), who, Action::Read, "team/app")
    };
    let narrowed = principal(&["user:a"]).with_all_names(["user:b".to_owned()]);
    assert!(reads(vec![user("a", Effect::Allow, false)], &narrowed));
    assert!(!reads(vec![user("b", Effect::Allow, false)], &narrowed));
    assert!(!reads(vec![user("b", Effect::Allow, true)], &narrowed), "it is no other user");
    assert!(!reads(vec![all, user("b", Effect::Deny, false)], &narrowed));
}

#[test]
fn conditions_hold_or_do_not() {
    let with = |name: &str, value: &str| {
        let conditions = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let policy = Policy { conditions, ..policy(Effect::Allow, &["*"], &["read"], "*") };
        rules(&[policy])
    };
    let mut alice = principal(&["user:alice"]);
    alice.claims = Arc::new([("department".to_owned(), vec!["research".to_owned()])].into());
    for (name, holds, does_not) in [
        ("sourceIp", "10.0.0.0/8, 192.0.2.0/24", "192.0.3.0/24"),
        ("sourceIp", "::ffff:192.0.0.0/104", "::ffff:10.0.0.0/104, ::/0"),
        ("notSourceIp", "10.0.0.0/8", "192.0.2.7"),
        ("notSourceIp", "::ffff:10.0.0.0/104", "::ffff:192.0.2.7"),
        ("notBefore", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("notAfter", "2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("timeOfDay", "08:00-18:00", "18:00-08:00"),
        ("weekdays", "mon,TUE", "sat,sun"),
        ("tls", "true", "false"),
        ("claim:department", "sales,res*", "sales"),
        ("claim:absent", "*", "x"),
    ] {
        let expected = name != "claim:absent";
        assert_eq!(may(&with(name, holds), &alice, Action::Read, "team/b"), expected, "{name} {holds}");
        assert!(!may(&with(name, does_not), &alice, Action::Read, "team/b"), "{name} {does_not}");
    }
    let elsewhere = BTreeMap::from([
        ("timeOfDay".to_owned(), "20:00-22:00".to_owned()),
        ("timeZone".to_owned(), "Asia/Tokyo".to_owned()),
    ]);
    let tokyo = rules(&[Policy { conditions: elsewhere, ..policy(Effect::Allow, &["*"], &["read"], "*") }]);
    assert!(may(&tokyo, &alice, Action::Read, "team/b"), "it is nine in the evening there");
}

#[test]
fn an_address_behind_ipv6_is_the_same_address() {
    let conditions = BTreeMap::from([("sourceIp".to_owned(), "192.0.2.0/24".to_owned())]);
    let rules = rules(&[Policy { conditions, ..policy(Effect::Allow, &["*"], &["read"], "*") }]);
    let mapped = Context { source_ip: "::ffff:192.0.2.7".parse().ok(), ..context() };
    let name = repository("team/b");
    assert!(decide(ON, &rules, &principal(&["user:x"]), Action::Read, Resource::Repository(&name), &mapped).allowed);
}

/// A proxy that says nothing of use must not open what is kept to some networks, or closed to others.
#[test]
fn where_the_address_is_not_known_networks_close() {
    let unknown = Context { source_ip: None, ..context() };
    let (name, who) = (repository("team/b"), principal(&["user:x"]));
    let allowed = |policies: &[Policy]| {
        decide(ON, &rules(policies), &who, Action::Read, Resource::Repository(&name), &unknown).allowed
    };
    let all = policy(Effect::Allow, &["*"], &["read"], "*");
    assert!(allowed(std::slice::from_ref(&all)));
    for condition in ["sourceIp", "notSourceIp"] {
        let conditions = BTreeMap::from([(condition.to_owned(), "192.0.2.0/24".to_owned())]);
        let within = |effect| Policy { conditions: conditions.clone(), ..policy(effect, &["*"], &["read"], "*") };
        assert!(!allowed(&[within(Effect::Allow)]), "{condition}");
        assert!(!allowed(&[all.clone(), within(Effect::Deny)]), "{condition}");
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_named() {
    let good = policy(Effect::Allow, &["*"], &["read"], "*");
    let refused = |policy: Policy| policy.statement().unwrap_err().to_string();
    assert!(refused(Policy { actions: vec![], ..good.clone() }).contains("actions"));
    assert!(refused(Policy { actions: vec!["fly".to_owned()], ..good.clone() }).contains("\"fly\""));
    assert!(refused(Policy { resource: String::new(), ..good.clone() }).contains("resource"));
    assert!(refused(Policy { principals: vec!["team:x".to_owned()], ..good.clone() }).contains("principal \"team:x\""));
    for (name, value) in [
        ("sourceIP", "10.0.0.0/8"),
        ("sourceIp", "10.0.0.0/33"),
        ("sourceIp", "::ffff:10.0.0.0/64"),
        ("sourceIp", ""),
        ("tls", "yes"),
        ("timeOfDay", "8-18"),
        ("timeOfDay", "08:00-08:00"),
        ("weekdays", "monday"),
        ("timeZone", "UTC"),
        ("notAfter", "tomorrow"),
        ("claim:", "x"),
        ("claim:x", ","),
    ] {
        let conditions = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let why = refused(Policy { conditions, ..good.clone() });
        assert!(why.contains(name), "{name} {value}: {why}");
    }
}

#[test]
fn everything_is_read_only_by_those_whom_nothing_keeps_from_anything() {
    let all = policy(Effect::Allow, &["role:viewer"], &["read"], "*");
    let viewer = principal(&["role:viewer"]);
    assert!(rules(std::slice::from_ref(&all)).reads_everything(&viewer));
    assert!(!rules(std::slice::from_ref(&all)).reads_everything(&principal(&["role:other"])));
    let denied = policy(Effect::Deny, &["*"], &["read"], "secret/*");
    assert!(!rules(&[all.clone(), denied]).reads_everything(&viewer));
    let some = policy(Effect::Allow, &["role:viewer"], &["read"], "team/*");
    assert!(!rules(&[some]).reads_everything(&viewer));
}

#[test]
fn what_takes_too_many_steps_is_refused_to_all_but_the_admins_key() {
    let open = policy(Effect::Allow, &["anonymous"], &["read"], "*");
    let globs = (0..30_000).map(|n| policy(Effect::Deny, &["*"], &["read"], &format!("*b{n}*a")));
    let rules = rules(&[vec![open], globs.collect()].concat());
    let name = format!("team/{}", "a".repeat(240));
    let decide =
        |who: &Principal| decide(ON, &rules, who, Action::Read, Resource::Repository(&repository(&name)), &context());
    let decision = decide(&principal(&["user:x"]));
    assert_eq!((decision.allowed, decision.reason), (false, Reason::TooComplex));
    assert!(decide(&Principal::break_glass("key:ADMIN")).allowed);
    assert!(decide(&Principal::anonymous()).allowed, "the denials are not about it");
}

const NAMES: [&str; 5] = ["team", "team/a", "team/a/b", "team/ab", "other/a"];
const PATTERNS: [&str; 8] = ["*", "team", "team/*", "team/a", "team/a/*", "*/a", "repository:team/*", "object:team/*"];
const WHO: [&str; 6] = ["*", "anonymous", "user:a", "user:b", "role:a", "group:a"];

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let one = (
        any::<bool>(),
        proptest::sample::subsequence(&WHO[..], 1..4),
        0..6_usize,
        proptest::sample::select(&PATTERNS[..]),
    );
    let one = one.prop_map(|(deny, who, action, pattern)| {
        let effect = if deny { Effect::Deny } else { Effect::Allow };
        policy(effect, &who, &[Action::ALL[action].as_str()], pattern)
    });
    proptest::collection::vec(one, 0..12)
}

fn principals() -> impl Strategy<Value = Principal> {
    proptest::sample::subsequence(&WHO[2..], 0..4).prop_map(|names| match names.as_slice() {
        [] => Principal::anonymous(),
        names => principal(names),
    })
}

/// The definition, without any index.
fn by_definition(policies: &[Policy], who: &Principal, action: Action, name: &str) -> bool {
    let about = |policy: &&Policy| {
        let kind = policy.resource.starts_with("object:");
        let pattern = policy.resource.trim_start_matches("repository:");
        let covered = match pattern.strip_suffix("/*") {
            _ if kind => false,
            _ if pattern == "*" => true,
            Some(root) => name == root || name.starts_with(&format!("{root}/")),
            None if pattern == "*/a" => name.ends_with("/a"),
            None => name == pattern,
        };
        if who.is_anonymous() && policy.actions.iter().any(|it| it == "admin") {
            return false;
        }
        let meant = policy.principals.iter().any(|it| match it.as_str() {
            "anonymous" => true,
            "*" => !who.is_anonymous(),
            other => who.names.iter().any(|name| name == other),
        });
        covered && meant && policy.actions.iter().any(|it| it == action.as_str())
    };
    let mut found = policies.iter().filter(about).peekable();
    found.peek().is_some() && found.all(|policy| policy.effect == Effect::Allow)
}

proptest! {
    #[test]
    fn the_index_finds_what_the_definition_says(policies in policies(), who in principals(), action in 0..6_usize, name in 0..5_usize) {
        let action = Action::ALL[action];
        let expected = by_definition(&policies, &who, action, NAMES[name]);
        prop_assert_eq!(may(&rules(&policies), &who, action, NAMES[name]), expected);
    }

    #[test]
    fn a_further_allow_takes_nothing_and_a_further_deny_gives_nothing(
        policies in policies(), more in policies(), who in principals(), action in 0..6_usize, name in 0..5_usize,
    ) {
        let (action, name) = (Action::ALL[action], NAMES[name]);
        let before = may(&rules(&policies), &who, action, name);
        let (allows, denies): (Vec<_>, Vec<_>) = more.into_iter().partition(|policy| policy.effect == Effect::Allow);
        prop_assert!(!before || may(&rules(&[policies.clone(), allows].concat()), &who, action, name));
        prop_assert!(before || !may(&rules(&[policies, denies].concat()), &who, action, name));
    }

    #[test]
    fn a_bound_never_widens(policies in policies(), who in principals(), action in 0..6_usize, granted in 0..6_usize) {
        let rules = rules(&policies);
        let grant = Grant { target: GrantTarget::Repository("team/a".to_owned()), actions: vec![Action::ALL[granted]] };
        let bounded = who.clone().bounded(vec![grant]);
        let action = Action::ALL[action];
        prop_assert!(!may(&rules, &bounded, action, "team/a") || may(&rules, &who, action, "team/a"));
    }

    /// Of whatever it has: one role, or some of its names.
    #[test]
    fn whoever_takes_less_is_never_allowed_what_the_whole_is_not(
        policies in policies(), whole in principals(), kept in any::<u8>(), action in 0..6_usize, name in 0..5_usize,
    ) {
        let (rules, action, name) = (rules(&policies), Action::ALL[action], NAMES[name]);
        let some = whole.names().iter().enumerate().filter(|(at, _)| kept & (1 << at) != 0).map(|(_, name)| name.clone());
        let some = Principal::known("test", some, BTreeMap::new()).with_all_names(whole.names().to_vec());
        let less = whole.as_role("a").into_iter().chain((!whole.is_anonymous()).then_some(some));
        for less in less {
            prop_assert!(!may(&rules, &less, action, name) || may(&rules, &whole, action, name), "{less:?}");
            prop_assert!(!rules.reads_everything(&less) || rules.reads_everything(&whole), "{less:?}");
        }
    }

    #[test]
    fn who_reads_everything_may_read_each(policies in policies(), who in principals(), name in 0..5_usize) {
        let rules = rules(&policies);
        prop_assert!(!rules.reads_everything(&who) || may(&rules, &who, Action::Read, NAMES[name]));
    }
}
