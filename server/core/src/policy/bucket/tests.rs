//! What is refused, what is public, and rules that hold for any policy. What AWS's documentation says of examples is in
//! `documented.rs`.

mod documented;

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::action::Action;
use crate::policy::{Context, Resource, Rules, Verdict};
use crate::principal::Principal;

const BUCKET: &str = "doc-bucket";

/// A request to the bucket, or to an object of it.
#[derive(Clone, Copy, Debug)]
struct Request<'a> {
    /// A user's name; none: nobody in particular.
    user: Option<&'a str>,
    operation: Operation,
    key: Option<&'a str>,
    prefix: Option<&'a str>,
    address: &'a str,
    tls: bool,
    now: &'a str,
}

/// Nobody in particular, over TLS, from 192.0.2.7, in the middle of 2026.
fn asks(operation: Operation, key: impl Into<Option<&'static str>>) -> Request<'static> {
    let (key, now) = (key.into(), "2026-07-01T12:00:00Z");
    Request { user: None, operation, key, prefix: None, address: "192.0.2.7", tls: true, now }
}

impl Request<'_> {
    /// Whether these statements allow it.
    fn is_allowed(&self, statements: Vec<Statement>) -> bool {
        let principal = match self.user {
            None => Principal::anonymous(),
            Some(name) => Principal::known(
                &format!("user:{name}"),
                [format!("user:{name}"), "role:dev".to_owned()],
                BTreeMap::new(),
            ),
        };
        let context = Context {
            source_ip: self.address.parse().ok(),
            tls: self.tls,
            now: self.now.parse().unwrap(),
            list_prefix: self.prefix,
            operation: Some(self.operation),
        };
        let resource = self.key.map_or(Resource::Bucket(BUCKET), |key| Resource::Object(BUCKET, key));
        let rules = Rules::new(statements, HashSet::new());
        let verdict = |action: &Action| rules.verdict(&principal, *action, resource, &context);
        self.operation.actions().iter().all(|action| matches!(verdict(action), Verdict::Allowed(_)))
    }
}

fn policy(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn parsed(statements: &Value) -> Vec<Statement> {
    parse(BUCKET, policy(statements).as_bytes()).unwrap()
}

/// An allowance for everybody to read objects, with some fields put in or replaced.
fn public_read(more: Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::doc-bucket/*",
    });
    let (Value::Object(statement_map), Value::Object(more)) = (&mut statement, more) else { unreachable!() };
    statement_map.extend(more);
    statement
}

fn refusal(text: &str) -> String {
    match parse(BUCKET, text.as_bytes()) {
        Err(Invalid::Policy(why)) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_cannot_be_decided_by_is_refused_and_named() {
    for (more, named) in [
        (json!({"NotPrincipal": "*"}), "NotPrincipal"),
        (json!({"NotAction": "s3:GetObject"}), "NotAction"),
        (json!({"NotResource": "arn:aws:s3:::doc-bucket/*"}), "NotResource"),
        (json!({"Effect": "allow"}), "Effect"),
        (json!({"Effect": 1}), "string"),
        (json!({"Principal": {"Federated": "x"}}), "Federated"),
        (json!({"Principal": {"Service": "cloudtrail.amazonaws.com"}}), "Service"),
        (json!({"Principal": {}}), "nobody"),
        (json!({"Principal": {"AWS": []}}), "nobody"),
        (json!({"Principal": "alice"}), "Principal"),
        (json!({"Principal": ["*"]}), "expected"),
        (json!({"Principal": {"AWS": "111122223333"}}), "accounts"),
        (json!({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}), "root"),
        (json!({"Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}}), "user/*"),
        (json!({"Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/a/b"}}), "assumed-role"),
        (json!({"Action": "s3:FlyObject"}), "FlyObject"),
        (json!({"Action": "ec2:RunInstances"}), "ec2"),
        (json!({"Action": []}), "Action"),
        (json!({"Action": ["s3:GetObject", "s3:ListBucket"]}), "s3:ListBucket"),
        (json!({"Resource": "arn:aws:s3:::other-bucket/*"}), "other-bucket"),
        (json!({"Resource": "arn:aws:s3:::*"}), "arn:aws:s3:::*"),
        (json!({"Resource": "doc-bucket/*"}), "arn:aws:s3:::doc-bucket"),
        (json!({"Resource": "arn:aws:s3:::doc-bucket/"}), "empty key"),
        (json!({"Resource": "arn:aws:s3:::doc-bucket"}), "does not apply"),
        (json!({"Resource": "arn:aws:s3:::doc-bucket/${aws:username}/*"}), "variables"),
        (json!({"Resource": format!("arn:aws:s3:::doc-bucket/{}", "x".repeat(2000))}), "longer than 1024"),
        (json!({"Sid": "a\nb"}), "control"),
        (json!({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}), "aws:PrincipalOrgID"),
        (json!({"Condition": {"StringEquals": {"s3:delimiter": "/"}}}), "s3:delimiter"),
        (json!({"Condition": {"NumericLessThanEquals": {"s3:max-keys": 10}}}), "s3:max-keys"),
        (json!({"Condition": {"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}}), "IpAddressIfExists"),
        (json!({"Condition": {"Null": {"aws:username": "true"}}}), "Null"),
        (json!({"Condition": {"ForAnyValue:StringLike": {"aws:username": "a"}}}), "ForAnyValue"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "300.0.0.1"}}}), "300.0.0.1"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": []}}}), "missing"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8", "aws:sourceip": "0.0.0.0/0"}}}), "twice"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "::ffff:0:0/64"}}}), "aws:SourceIp"),
        (json!({"Principal": {"AWS": "ali*"}}), "left open"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", null]}}}), "null"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", ""]}}}), "aws:SourceIp"),
        (json!({"Condition": {"Bool": {"aws:SecureTransport": "maybe"}}}), "maybe"),
        (json!({"Condition": {"Bool": {"aws:SecureTransport": ["true", "false"]}}}), "aws:SecureTransport"),
        (json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}), "soon"),
        (json!({"Condition": {"StringEquals": {"aws:username": "a*"}}}), "StringLike"),
        (json!({"Condition": {"StringLike": {"aws:username": "${aws:userid}"}}}), "variables"),
        (json!({"Condition": {"StringLike": {"s3:prefix": "a"}}}), "does not apply"),
        (json!({"Condition": {"Bool": 1}}), "object"),
        (json!({"Condition": null}), "object"),
    ] {
        let text = policy(&json!([public_read(more)]));
        let why = refusal(&text);
        assert!(why.contains(named), "{text}: {why}");
    }
    for (text, named) in [
        ("", "EOF"),
        ("[]", "struct"),
        ("{}", "Statement"),
        (r#"{"Statement": []}"#, "no Statement"),
        (r#"{"Statement": [], "Statements": []}"#, "Statements"),
        (r#"{"Version": "2020-01-01", "Statement": [{}]}"#, "Effect"),
        (r#"{"Statement": {"Effect": "Allow"}}"#, "Principal"),
        ("\u{feff}{}", "expected value"),
    ] {
        let why = refusal(text);
        assert!(why.contains(named), "{text}: {why}");
    }
    assert!(refusal(&" ".repeat(SIZE_MAX + 1)).contains("larger"));
    let again = public_read(json!({"Sid": "one"}));
    assert!(refusal(&policy(&json!([again, again]))).contains("Sid"));
    let version = json!({"Version": "2020-01-01", "Statement": [public_read(json!({}))]}).to_string();
    assert!(refusal(&version).contains("2012-10-17"));
}

/// Of two the last one would count, and the first be gone without a word.
#[test]
fn nothing_is_there_twice() {
    let whole = policy(&json!([public_read(json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}))]));
    for (from, to) in [
        (r#""Effect":"#, r#""Effect":"Deny","Effect":"#),
        (r#""Condition":{"#, r#""Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.1"},"#),
        (r#""IpAddress":{"#, r#""IpAddress":{"aws:SourceIp":"192.0.2.1","#),
        (r#""Principal":"*""#, r#""Principal":{"AWS":"a","AWS":"b"}"#),
    ] {
        let text = whole.replace(from, to);
        assert_ne!(text, whole);
        let why = refusal(&text);
        assert!(why.contains("twice") || why.contains("duplicate"), "{text}: {why}");
    }
}

/// S3 user guide, *Blocking public access*, *The meaning of "public"*.
#[test]
fn what_lets_everybody_in_is_public() {
    for (more, public) in [
        (json!({}), true),
        (json!({"Principal": {"AWS": "*"}}), true),
        (json!({"Principal": {"AWS": ["alice", "*"]}}), true),
        (json!({"Principal": {"AWS": "alice"}}), false),
        (json!({"Effect": "Deny"}), false),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}), false),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}), false),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}), true),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001::/16"]}}}), true),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}}), false),
        (json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}), true),
        (json!({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}), true),
    ] {
        let statements = parsed(&json!([public_read(more.clone())]));
        assert_eq!(is_public(&statements), public, "{more}");
    }
}

/// Networks that are narrow one by one and everybody together, in one statement or in many.
#[test]
fn the_union_of_networks_is_judged() {
    let eights = |step: usize| (0..256).step_by(step).map(|first| format!("{first}.0.0.0/8")).collect::<Vec<_>>();
    let ips = |networks: &[String]| json!({"Condition": {"IpAddress": {"aws:SourceIp": networks}}});
    let texts = |networks: &[&str]| networks.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (networks, public) in [
        (eights(1), true),
        (eights(2), true),
        (texts(&["12.0.0.0/8", "13.0.0.0/8"]), true),
        (texts(&["12.0.0.0/9", "12.128.0.0/9"]), false),
        (texts(&["12.0.0.0/8", "12.1.0.0/16"]), false),
        (texts(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]), false),
        (texts(&["10.0.0.0/8", "12.0.0.0/8"]), false),
        (texts(&["2001:db8::/32", "2001:db9::/32"]), true),
        (texts(&["2001:db8::/32", "2a00::/32", "192.0.2.0/24"]), false),
    ] {
        let together = parsed(&json!([public_read(ips(&networks))]));
        assert_eq!(is_public(&together), public, "{networks:?}");
        let one = |network| parsed(&json!([public_read(ips(std::slice::from_ref(network)))]));
        let one_each: Vec<_> = networks.iter().flat_map(one).collect();
        assert_eq!(is_public(&one_each), public, "{networks:?} in a statement each");
        for statements in [together, one_each] {
            let rules = Rules::new(statements, HashSet::from([BUCKET.to_owned()]));
            let key = Resource::Object(BUCKET, "key");
            let from = networks[0].parse::<ipnet::IpNet>().unwrap().addr();
            let context = Context { source_ip: Some(from), ..context() };
            let verdict = rules.verdict(&Principal::anonymous(), Action::Read, key, &context);
            assert_eq!(matches!(verdict, Verdict::Silent), public, "{networks:?}: a block holds back what is public");
        }
    }
    let both = json!({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "NotIpAddress": {"aws:SourceIp": "0.0.0.0/1"}}});
    assert!(!is_public(&parsed(&json!([public_read(both)]))));
}

fn context() -> Context<'static> {
    Context {
        source_ip: None,
        tls: true,
        now: "2026-07-01T12:00:00Z".parse().unwrap(),
        list_prefix: None,
        operation: None,
    }
}

/// The steps of one decision on an object by a policy with these resources.
fn steps(keys: &[String], key: &str) -> u64 {
    let arns: Vec<_> = keys.iter().map(|key| format!("arn:aws:s3:::{BUCKET}/{key}")).collect();
    let text = policy(&json!([public_read(json!({"Resource": arns}))]));
    assert!(text.len() <= SIZE_MAX, "{}", text.len());
    let rules = Rules::new(parse(BUCKET, text.as_bytes()).unwrap(), HashSet::new());
    let mut work = Work::new(u64::MAX);
    rules.verdict_within(&Principal::anonymous(), Action::Read, Resource::Object(BUCKET, key), &context(), &mut work);
    u64::MAX - work.left()
}

/// The policies that made a server of version 0.5.0 freeze: a statement tried all its patterns once for each of them.
#[test]
fn a_decision_tries_each_pattern_once() {
    let long = format!("{}x", "a/".repeat(500));
    let linear = |keys: &[String]| {
        let lengths: usize = keys.iter().map(|key| BUCKET.len() + 1 + key.len() + BUCKET.len() + 1 + long.len()).sum();
        let steps = steps(keys, &long);
        assert!(steps <= 2 * lengths as u64, "{} patterns take {steps} steps", keys.len());
        assert!(steps < Work::MAX / 2, "{} patterns take {steps} steps", keys.len());
    };
    linear(&(0..300).map(|n| format!("dir{n}/*/*{n:03}")).collect::<Vec<_>>());
    linear(&(0..300).map(|n| format!("*.{n:03}.lock")).collect::<Vec<_>>());
    linear(&(0..500).map(|n| format!("*a{n:03}")).collect::<Vec<_>>());
    linear(&["*a".repeat(500), "*/a?".repeat(250), "?".repeat(1000), "*a*a*a*a*b".to_owned()]);
    let deep: Vec<_> = (1..130).map(|n| format!("{}*", "a/".repeat(n % 65))).collect();
    linear(&deep);
}

#[test]
fn long_globs_and_patterns_are_refused() {
    let long = "*a".repeat(513);
    for more in [
        json!({"Resource": format!("arn:aws:s3:::{BUCKET}/{long}")}),
        json!({"Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{BUCKET}"),
            "Condition": {"StringLike": {"s3:prefix": long}}}),
        json!({"Condition": {"StringNotLike": {"aws:username": ["a", long]}}}),
    ] {
        let why = refusal(&policy(&json!([public_read(more)])));
        assert!(why.contains("longer than 1024 bytes") && why.len() < 3000, "{why}");
    }
}

/// A right of S3 gives nothing that another one of the same kind would.
#[test]
fn each_action_is_itself_alone() {
    for given in Operation::ALL {
        let resource = if given.is_on_bucket() { "arn:aws:s3:::doc-bucket" } else { "arn:aws:s3:::doc-bucket/*" };
        let statements = parsed(&json!([public_read(json!({"Action": given.as_str(), "Resource": resource}))]));
        for asked in Operation::ALL {
            let key = if asked.is_on_bucket() { None } else { Some("key") };
            // somebody: nobody in particular administers, whatever is open to everybody
            let request = Request { user: Some("alice"), ..asks(*asked, key) };
            assert_eq!(request.is_allowed(statements.clone()), given == asked, "{given:?} for {asked:?}");
        }
    }
}

#[test]
fn it_says_nothing_about_the_repository_of_that_name() {
    let everything = json!({"Action": "s3:*", "Resource": ["arn:aws:s3:::doc-bucket", "arn:aws:s3:::doc-bucket/*"]});
    let rules = Rules::new(parsed(&json!([public_read(everything)])), HashSet::new());
    let context =
        Context { source_ip: None, tls: true, now: jiff::Timestamp::UNIX_EPOCH, list_prefix: None, operation: None };
    for name in ["doc-bucket", "doc-bucket/app"] {
        let name = name.parse().unwrap();
        for action in Action::ALL {
            let verdict = rules.verdict(&Principal::anonymous(), action, Resource::Repository(&name), &context);
            assert_eq!(verdict, Verdict::Silent, "{action:?} {name}");
        }
    }
    let other = Resource::Object("doc-bucket2", "key");
    assert_eq!(rules.verdict(&Principal::anonymous(), Action::Read, other, &context), Verdict::Silent);
}

/// A policy that cannot be read any more, beside a role that may do everything.
#[test]
fn what_is_closed_lets_nobody_in() {
    let everything = crate::policy::shipped().iter().map(|it| it.statement().unwrap()).collect::<Vec<_>>();
    let open = |statements: Vec<Statement>, resource| {
        let rules = Rules::new(statements, HashSet::new());
        let admin = Principal::known("user:root", ["role:admin".to_owned()], BTreeMap::new());
        let context = Context {
            source_ip: None,
            tls: true,
            now: jiff::Timestamp::UNIX_EPOCH,
            list_prefix: None,
            operation: None,
        };
        Action::ALL.iter().any(|action| {
            rules.verdict(&admin, *action, resource, &context) != Verdict::Denied("bucket:doc-bucket/unreadable")
        })
    };
    let with = [everything.clone(), vec![closed(BUCKET)]].concat();
    assert!(!open(with.clone(), Resource::Bucket(BUCKET)) && !open(with.clone(), Resource::Object(BUCKET, "a/b")));
    assert!(open(with, Resource::Object("doc-bucket2", "a")), "others go on");
    assert!(open(everything, Resource::Bucket(BUCKET)));
}

const USERS: [&str; 3] = ["*", "alice", "bob"];
const ACTIONS: [&str; 5] = ["s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "s3:List*"];
const KEYS: [&str; 5] = ["", "/*", "/a/*", "/a/?", "/*b"];

fn statements() -> impl Strategy<Value = Vec<Value>> {
    let one = (any::<bool>(), 0..USERS.len(), 0..ACTIONS.len(), any::<bool>(), any::<bool>());
    let one = one.prop_flat_map(|it| (Just(it), proptest::sample::select(&KEYS[..])));
    let one = one.prop_map(|((allow, user, action, narrow, from), keys)| {
        let mut statement = public_read(json!({
            "Effect": if allow { "Allow" } else { "Deny" }, "Principal": {"AWS": USERS[user]}, "Action": ACTIONS[action],
            "Resource": [format!("arn:aws:s3:::doc-bucket{keys}"), "arn:aws:s3:::doc-bucket", "arn:aws:s3:::doc-bucket/x"],
        }));
        let operator = if from { "IpAddress" } else { "NotIpAddress" };
        if narrow {
            statement["Condition"] = json!({operator: {"aws:SourceIp": "192.0.2.0/24"}});
        }
        statement
    });
    proptest::collection::vec(one, 1..8)
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let users = proptest::sample::select(vec![None, Some("alice"), Some("bob")]);
    let keys = proptest::sample::select(vec!["a/b", "a/bb", "x", "b"]);
    let operations = proptest::sample::select(vec![
        Operation::GetObject,
        Operation::PutObject,
        Operation::ListBucket,
        Operation::GetObjectTagging,
    ]);
    (users, operations, keys, any::<bool>()).prop_map(|(user, operation, key, near)| {
        let key = if operation.is_on_bucket() { None } else { Some(key) };
        let address = if near { "192.0.2.7" } else { "198.51.100.1" };
        Request { user, address, ..asks(operation, key) }
    })
}

proptest! {
    #[test]
    fn a_further_deny_gives_nothing_and_a_further_allow_takes_nothing(
        before in statements(), more in statements(), request in requests(),
    ) {
        let of = |effect: &str| more.iter().filter(|it| it["Effect"] == effect).cloned().collect::<Vec<_>>();
        let with = |more: Vec<Value>| request.is_allowed(parsed(&json!([before.clone(), more].concat())));
        let allowed = with(Vec::new());
        prop_assert!(allowed || !with(of("Deny")));
        prop_assert!(!allowed || with(of("Allow")));
    }

    #[test]
    fn any_bytes_are_a_policy_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(BUCKET, &bytes);
    }

    #[test]
    fn any_json_is_a_policy_or_an_error(text in r#"[{}\[\]":,* A-Za-z0-9/]{0,60}"#) {
        let _ = parse(BUCKET, format!(r#"{{"Statement": [{text}]}}"#).as_bytes());
    }
}

proptest! {
    /// Whatever fits into a policy, a decision takes few steps for each byte of its patterns and for the key.
    #[test]
    fn no_policy_makes_a_decision_long(part in "[ab*?/]{1,12}", repeated in 1..80_usize, count in 1..400_usize, key in "[ab/]{1,30}") {
        let pattern: String = part.repeat(repeated).trim_matches('/').chars().take(1000).collect();
        prop_assume!(!pattern.is_empty());
        let count = count.min(15_000 / (pattern.len() + 40)).max(1);
        let keys: Vec<_> = (0..count).map(|n| format!("{pattern}{n}")).collect();
        let key: String = key.repeat(50).chars().take(1024).collect();
        let taken = steps(&keys, &key);
        prop_assert!(taken <= Work::MAX / 2, "{count} patterns like {pattern} on {key}: {taken} steps");
    }
}
