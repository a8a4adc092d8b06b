use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::identity::Principal;
use crate::policy::{Context, Resource, Rules, Verdict};

fn may(policy: &str, who: &Principal, action: Action, resource: Resource<'_>, address: &str) -> bool {
    let rules = Rules::new(parse("doc-bucket", policy.as_bytes()).unwrap(), HashSet::new());
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    let context = Context { source_ip: address.parse().ok(), tls: false, now, list_prefix: None, operation: None };
    matches!(rules.verdict(who, action, resource, &context), Verdict::Allowed(_))
}

fn user(name: &str) -> Principal {
    let claims = BTreeMap::from([("username".to_owned(), vec![name.to_owned()])]);
    Principal::known(&format!("user:{name}"), [format!("user:{name}")], claims)
}

const HOME: &str = "192.0.2.7";

/// AWS, *Examples of Amazon S3 bucket policies*: read-only permission to an anonymous user.
#[test]
fn everybody_may_read_objects_and_not_list_them() {
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "PublicRead", "Effect": "Allow", "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::doc-bucket/*"}]}"#;
    let nobody = Principal::anonymous();
    assert!(may(policy, &nobody, Action::Read, Resource::Object("doc-bucket", "a/b"), HOME));
    assert!(!may(policy, &nobody, Action::Read, Resource::Object("doc-buckets", "a"), HOME));
    assert!(!may(policy, &nobody, Action::List, Resource::Bucket("doc-bucket"), HOME));
    assert!(!may(policy, &nobody, Action::Update, Resource::Object("doc-bucket", "a"), HOME));
    assert!(is_public(&parse("doc-bucket", policy.as_bytes()).unwrap()));
}

/// The same: restrict access to specific IP addresses, with a range excluded.
#[test]
fn only_from_a_network_but_for_one_address() {
    let policy = r#"{"Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:*",
         "Resource": ["arn:aws:s3:::doc-bucket", "arn:aws:s3:::doc-bucket/*"],
         "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:DB8::/32"]}}},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::doc-bucket/*",
         "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.188/32"}}}]}"#;
    let object = Resource::Object("doc-bucket", "key");
    for (address, expected) in [(HOME, true), ("192.0.2.188", false), ("198.51.100.1", false), ("2001:db8::1", true)] {
        assert_eq!(may(policy, &Principal::anonymous(), Action::Read, object, address), expected, "{address}");
    }
    assert!(!is_public(&parse("doc-bucket", policy.as_bytes()).unwrap()), "a network is not the public");
}

/// The same: each user has a folder of their own; and HTTPS is demanded.
#[test]
fn users_are_named_by_arn_or_as_here() {
    let policy = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:user/JohnDoe", "jane",
        "role:ops"]}, "Action": "s3:PutObject*", "Resource": "arn:aws:s3:::doc-bucket/home/*"}}"#;
    let object = Resource::Object("doc-bucket", "home/x");
    assert!(
        may(policy, &user("JohnDoe"), Action::Create, object, HOME)
            && may(policy, &user("jane"), Action::Update, object, HOME)
    );
    assert!(!may(policy, &user("eve"), Action::Create, object, HOME));
    assert!(!may(policy, &user("jane"), Action::Create, Resource::Object("doc-bucket", "other"), HOME));
    let https = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::doc-bucket/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}"#;
    assert_eq!(parse("doc-bucket", https.as_bytes()).unwrap()[0].conditions, [Condition::Tls(false)]);
}

#[test]
fn what_cannot_be_decided_by_is_refused() {
    let statement = |changed: &str| format!(r#"{{"Statement": [{{"Effect": "Allow", {changed}}}]}}"#);
    let whole = r#""Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::doc-bucket/*""#;
    assert!(parse("doc-bucket", statement(whole).as_bytes()).is_ok());
    for (from, to) in [
        (r#""Principal": "*""#, r#""NotPrincipal": "*""#),
        (r#""Principal": "*""#, r#""Principal": {"Federated": "x"}"#),
        (r#""Principal": "*""#, r#""Principal": {}"#),
        ("s3:GetObject", "s3:FlyObject"),
        ("s3:GetObject", "ec2:RunInstances"),
        (r#""Action""#, r#""NotAction""#),
        ("doc-bucket/*", "other-bucket/*"),
        ("arn:aws:s3:::doc-bucket/*", "doc-bucket/*"),
        (r#""Principal""#, r#""Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "Principal""#),
        (r#""Principal""#, r#""Condition": {"IpAddress": {"aws:SourceIp": "300.0.0.1"}}, "Principal""#),
        (r#""Principal""#, r#""Condition": {"Bool": 1}, "Principal""#),
    ] {
        let text = statement(&whole.replace(from, to));
        assert!(matches!(parse("doc-bucket", text.as_bytes()), Err(Error::PolicyMalformed(_))), "{text}");
    }
    for text in ["", "[]", "{}", r#"{"Statement": []}"#, r#"{"Version": "2020-01-01", "Statement": []}"#] {
        assert!(matches!(parse("doc-bucket", text.as_bytes()), Err(Error::PolicyMalformed(_))), "{text}");
    }
    let large = " ".repeat(SIZE_MAX + 1);
    assert!(matches!(parse("doc-bucket", large.as_bytes()), Err(Error::PolicyMalformed(_))));
}
