//! Bucket policies in S3's own JSON, turned into statements. What this store cannot decide by is refused when it is put:
//! a condition that nobody looks at would grant more than was written.
//!
//! Source: AWS IAM *JSON policy elements reference*.

use serde::Deserialize;
use serde_json::Value;

use super::Action;
use super::condition::{self, Condition};
use super::pattern::{PrincipalPattern, ResourcePattern};
use super::statement::{Actions, Effect, Statement};
use crate::error::{Error, Result};

/// Largest policy, in bytes, as AWS has it.
pub const SIZE_MAX: usize = 20 * 1024;

/// The actions of S3 that are known, and what they are here. On a bucket's own settings `admin` is asked for.
const ACTIONS: [(&str, &[Action]); 24] = [
    ("s3:GetObject", &[Action::Read]),
    ("s3:GetObjectVersion", &[Action::Read]),
    ("s3:GetObjectAttributes", &[Action::Read]),
    ("s3:GetObjectTagging", &[Action::Read]),
    ("s3:GetObjectVersionTagging", &[Action::Read]),
    ("s3:GetObjectAcl", &[Action::Read]),
    ("s3:PutObject", &[Action::Create, Action::Update]),
    ("s3:PutObjectTagging", &[Action::Update]),
    ("s3:DeleteObjectTagging", &[Action::Update]),
    ("s3:DeleteObject", &[Action::Delete]),
    ("s3:DeleteObjectVersion", &[Action::Delete]),
    ("s3:AbortMultipartUpload", &[Action::Create]),
    ("s3:ListMultipartUploadParts", &[Action::Create]),
    ("s3:ListBucket", &[Action::List]),
    ("s3:ListBucketVersions", &[Action::List]),
    ("s3:ListBucketMultipartUploads", &[Action::List]),
    ("s3:GetBucketLocation", &[Action::List]),
    ("s3:GetBucketVersioning", &[Action::List]),
    ("s3:PutBucketVersioning", &[Action::Update]),
    ("s3:DeleteBucket", &[Action::Delete]),
    ("s3:GetBucketPolicy", &[Action::Admin]),
    ("s3:PutBucketPolicy", &[Action::Admin]),
    ("s3:DeleteBucketPolicy", &[Action::Admin]),
    ("s3:PutBucketPublicAccessBlock", &[Action::Admin]),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    version: Option<String>,
    #[serde(default, rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<StatementText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StatementText {
    #[serde(default)]
    sid: Option<String>,
    effect: String,
    principal: Value,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    #[serde(default)]
    condition: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// The statements of a bucket's policy.
///
/// # Errors
/// [`Error::PolicyMalformed`] says what is wrong with it, or what of it this store cannot decide by.
pub fn parse(bucket: &str, text: &[u8]) -> Result<Vec<Statement>> {
    if text.len() > SIZE_MAX {
        return Err(malformed(format!("it is larger than {SIZE_MAX} bytes")));
    }
    let document: Document = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
    if document.version.is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed("Version must be \"2012-10-17\"".to_owned()));
    }
    let statements = document.statement.all();
    if statements.is_empty() {
        return Err(malformed("it has no Statement".to_owned()));
    }
    statements.into_iter().enumerate().map(|(number, it)| statement(bucket, number, it)).collect()
}

/// Whether a policy lets everybody in.
pub fn is_public(statements: &[Statement]) -> bool {
    let public = |statement: &Statement| {
        // what is narrowed to some networks is not public, as AWS has it
        let narrowed = statement.conditions.iter().any(|it| matches!(it, Condition::SourceIp { none: false, .. }));
        statement.effect == Effect::Allow && !narrowed && statement.principals.contains(&PrincipalPattern::Everybody)
    };
    statements.iter().any(public)
}

fn statement(bucket: &str, number: usize, text: StatementText) -> Result<Statement> {
    let id = text.sid.unwrap_or_else(|| number.to_string());
    let within = |error: Error| match error {
        Error::PolicyMalformed(why) => malformed(format!("statement {id}: {why}")),
        other => malformed(format!("statement {id}: {other}")),
    };
    let effect = match text.effect.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => return Err(malformed(format!("statement {id}: Effect is Allow or Deny, not {other:?}"))),
    };
    let resources =
        text.resource.all().iter().map(|arn| resource(bucket, arn)).collect::<Result<_>>().map_err(within)?;
    Ok(Statement {
        policy: format!("bucket:{bucket}/{id}"),
        effect,
        principals: principals(&text.principal).map_err(within)?,
        actions: actions(&text.action.all()).map_err(within)?,
        resources,
        conditions: conditions(text.condition.unwrap_or_default()).map_err(within)?,
    })
}

fn principals(value: &Value) -> Result<Vec<PrincipalPattern>> {
    let of_list = |value: &Value| match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(many) => many
            .iter()
            .map(|it| it.as_str().map(ToOwned::to_owned).ok_or_else(|| malformed("a principal is a text".to_owned())))
            .collect(),
        _ => Err(malformed("a principal is a text or a list of texts".to_owned())),
    };
    let names = match value {
        Value::String(all) if all == "*" => vec!["*".to_owned()],
        Value::Object(kinds) if !kinds.is_empty() => match kinds.iter().find(|(kind, _)| *kind != "AWS") {
            None => kinds.values().map(of_list).collect::<Result<Vec<_>>>()?.concat(),
            Some((kind, _)) => return Err(malformed(format!("Principal: this store knows \"AWS\", not {kind:?}"))),
        },
        _ => return Err(malformed("Principal is \"*\" or {\"AWS\": […]}".to_owned())),
    };
    names.iter().map(|name| principal(name)).collect()
}

/// `*` is everybody, as in S3; an ARN's last part is a user or a role; else our own names.
fn principal(name: &str) -> Result<PrincipalPattern> {
    if name == "*" {
        return Ok(PrincipalPattern::Everybody);
    }
    let Some(arn) = name.strip_prefix("arn:aws:iam::") else { return name.parse() };
    let (_, path) = arn.split_once(':').unwrap_or_default();
    match path.split_once('/') {
        Some(("user", user)) => format!("user:{user}").parse(),
        Some(("role", role)) => format!("role:{role}").parse(),
        _ => Err(malformed(format!("Principal {name:?}: expected arn:aws:iam::ACCOUNT:user/NAME or …:role/NAME"))),
    }
}

fn actions(names: &[String]) -> Result<Actions> {
    if names.is_empty() {
        return Err(malformed("Action is missing".to_owned()));
    }
    names.iter().try_fold(Actions::NONE, |all, name| {
        // case does not count in the names of actions
        let wanted = name.to_ascii_lowercase();
        let met =
            ACTIONS.iter().filter(|(known, _)| super::pattern::glob_matches(&wanted, &known.to_ascii_lowercase()));
        let met: Actions = met.flat_map(|(_, actions)| *actions).fold(Actions::NONE, |all, action| all.with(*action));
        match name.as_str() {
            "*" | "s3:*" => Ok(Actions::all()),
            _ if met == Actions::NONE => Err(malformed(format!("Action {name:?}: this store has no such action"))),
            _ => Ok(all.and(met)),
        }
    })
}

fn resource(bucket: &str, arn: &str) -> Result<ResourcePattern> {
    let name = arn
        .strip_prefix("arn:aws:s3:::")
        .ok_or_else(|| malformed(format!("Resource {arn:?}: expected arn:aws:s3:::{bucket}/…")))?;
    let (own, key) = name.split_once('/').unwrap_or((name, ""));
    if own != bucket {
        return Err(malformed(format!(
            "Resource {arn:?}: a bucket's policy is about the bucket and its objects alone"
        )));
    }
    ResourcePattern::of_bucket(bucket, key)
}

fn conditions(operators: serde_json::Map<String, Value>) -> Result<Vec<Condition>> {
    let mut found = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return Err(malformed(format!("Condition {operator}: expected an object")));
        };
        for (key, values) in keys {
            let values = match values {
                Value::Array(many) => many.iter().filter_map(text_of).collect(),
                one => text_of(&one).into_iter().collect::<Vec<_>>(),
            };
            found.push(one_condition(&operator, &key, values)?);
        }
    }
    Ok(found)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn one_condition(operator: &str, key: &str, values: Vec<String>) -> Result<Condition> {
    let unknown = || malformed(format!("Condition {operator} {key}: this store cannot decide by it"));
    let first =
        values.first().cloned().ok_or_else(|| malformed(format!("Condition {operator} {key}: a value is missing")))?;
    let moment = || first.parse().map_err(|_| malformed(format!("Condition {key}: {first:?} is no moment")));
    Ok(match (operator, key.to_ascii_lowercase().as_str()) {
        ("IpAddress", "aws:sourceip") => Condition::SourceIp { networks: networks(&values)?, none: false },
        ("NotIpAddress", "aws:sourceip") => Condition::SourceIp { networks: networks(&values)?, none: true },
        ("Bool", "aws:securetransport") => Condition::Tls(first == "true"),
        ("DateGreaterThan" | "DateGreaterThanEquals", "aws:currenttime") => Condition::NotBefore(moment()?),
        ("DateLessThan" | "DateLessThanEquals", "aws:currenttime") => Condition::NotAfter(moment()?),
        ("StringEquals", "s3:prefix") => Condition::ListPrefix { globs: exactly(values)?, none: false },
        ("StringNotEquals", "s3:prefix") => Condition::ListPrefix { globs: exactly(values)?, none: true },
        ("StringLike", "s3:prefix") => Condition::ListPrefix { globs: values, none: false },
        ("StringNotLike", "s3:prefix") => Condition::ListPrefix { globs: values, none: true },
        ("StringEquals", "aws:username") => {
            Condition::Claim { name: "username".to_owned(), globs: exactly(values)?, none: false }
        }
        ("StringNotEquals", "aws:username") => {
            Condition::Claim { name: "username".to_owned(), globs: exactly(values)?, none: true }
        }
        ("StringLike", "aws:username") => Condition::Claim { name: "username".to_owned(), globs: values, none: false },
        ("StringNotLike", "aws:username") => {
            Condition::Claim { name: "username".to_owned(), globs: values, none: true }
        }
        _ => return Err(unknown()),
    })
}

fn networks(values: &[String]) -> Result<Vec<ipnet::IpNet>> {
    condition::networks("aws:SourceIp", &values.join(",")).map_err(|error| malformed(error.to_string()))
}

/// Texts that are compared as they are: with `*` or `?` in them they would be globs.
fn exactly(values: Vec<String>) -> Result<Vec<String>> {
    match values.iter().find(|value| value.contains(['*', '?'])) {
        Some(value) => Err(malformed(format!("{value:?}: * and ? belong to StringLike"))),
        None => Ok(values),
    }
}

fn malformed(why: String) -> Error {
    Error::PolicyMalformed(why)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::identity::Principal;
    use crate::policy::{Context, Resource, Rules, Verdict};

    fn may(policy: &str, who: &Principal, action: Action, resource: Resource<'_>, address: &str) -> bool {
        let rules = Rules::new(parse("doc-bucket", policy.as_bytes()).unwrap(), HashSet::new());
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let context = Context { source_ip: address.parse().ok(), tls: false, now, list_prefix: None };
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
        for (address, expected) in
            [(HOME, true), ("192.0.2.188", false), ("198.51.100.1", false), ("2001:db8::1", true)]
        {
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
}
