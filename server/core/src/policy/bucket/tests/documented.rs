//! Examples of AWS's documentation, and the outcome that it tells of them. Accounts are left out of principals, as this
//! store has none; else the statements are those of the page that is named.

use serde_json::{Value, json};

use super::{Request, asks, parsed};
use crate::policy::Operation::{
    DeleteObject, DeleteObjectVersion, GetBucketLocation, GetBucketPolicy, GetObject, GetObjectAcl, GetObjectTagging,
    GetObjectVersion, ListBucket, ListBucketVersions, PutBucketPolicy, PutObject, PutObjectTagging,
};

/// What a page says, its statements, and requests with their outcome.
type Case = (&'static str, Value, Vec<(Request<'static>, bool)>);

const OBJECTS: &str = "arn:aws:s3:::doc-bucket/*";
const BUCKET: &str = "arn:aws:s3:::doc-bucket";

fn of(user: &'static str, request: Request<'static>) -> Request<'static> {
    Request { user: Some(user), ..request }
}

fn from(address: &'static str, request: Request<'static>) -> Request<'static> {
    Request { address, ..request }
}

fn below(prefix: &'static str, request: Request<'static>) -> Request<'static> {
    Request { prefix: Some(prefix), ..request }
}

fn plain(request: Request<'static>) -> Request<'static> {
    Request { tls: false, ..request }
}

fn at(now: &'static str, request: Request<'static>) -> Request<'static> {
    Request { now, ..request }
}

/// *Examples of Amazon S3 bucket policies*, S3 user guide.
fn bucket_policy_examples() -> Vec<Case> {
    vec![
        (
            "Granting read-only permission to a public anonymous user",
            json!([{"Sid": "PublicRead", "Effect": "Allow", "Principal": "*",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": [OBJECTS]}]),
            vec![
                (asks(GetObject, "a/b"), true),
                (asks(GetObjectVersion, "a/b"), true),
                (of("alice", asks(GetObject, "a")), true),
                (asks(PutObject, "a"), false),
                (asks(ListBucket, None), false),
                (asks(GetObjectAcl, "a"), false),
            ],
        ),
        (
            "Requiring HTTPS: aws:SecureTransport",
            json!([
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS},
                {"Sid": "RestrictToTLSRequestsOnly", "Action": "s3:*", "Effect": "Deny", "Resource": [BUCKET, OBJECTS],
                 "Condition": {"Bool": {"aws:SecureTransport": "false"}}, "Principal": "*"},
            ]),
            vec![(asks(GetObject, "a"), true), (plain(asks(GetObject, "a")), false)],
        ),
        (
            "Managing access based on specific IP addresses: deny unless the request comes from the range",
            json!([
                {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, OBJECTS]},
                {"Sid": "IPAllow", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, OBJECTS],
                 "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
            ]),
            vec![
                (asks(GetObject, "a"), true),
                (from("203.0.113.9", asks(GetObject, "a")), false),
                (from("203.0.113.9", asks(ListBucket, None)), false),
            ],
        ),
        (
            "Allowing IPv4 and IPv6 addresses, but for one address",
            json!([
                {"Sid": "AllowIPmix", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": OBJECTS,
                 "Condition": {"IpAddress": {"aws:SourceIp": ["54.240.143.0/24", "2001:DB8:1234:5678::/64"]}}},
                {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": OBJECTS,
                 "Condition": {"IpAddress": {"aws:SourceIp": ["54.240.143.188/32", "2001:DB8:1234:5678:ABCD::/80"]}}},
            ]),
            vec![
                (from("54.240.143.1", asks(GetObject, "a")), true),
                (from("2001:db8:1234:5678::1", asks(GetObject, "a")), true),
                (from("54.240.143.188", asks(GetObject, "a")), false),
                (from("2001:db8:1234:5678:abcd::1", asks(GetObject, "a")), false),
                (from("54.240.144.1", asks(GetObject, "a")), false),
            ],
        ),
        (
            "Managing user access to specific folders",
            json!([
                {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/JohnDoe"},
                 "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::doc-bucket/home/JohnDoe/*"},
                {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/JohnDoe"},
                 "Action": "s3:ListBucket", "Resource": BUCKET,
                 "Condition": {"StringLike": {"s3:prefix": ["home/JohnDoe/*"]}}},
            ]),
            vec![
                (of("JohnDoe", asks(PutObject, "home/JohnDoe/a")), true),
                (of("JohnDoe", asks(PutObject, "home/JaneDoe/a")), false),
                (of("JaneDoe", asks(PutObject, "home/JohnDoe/a")), false),
                (of("JohnDoe", below("home/JohnDoe/", asks(ListBucket, None))), true),
                (of("JohnDoe", below("home/JohnDoe/2026/", asks(ListBucket, None))), true),
                (of("JohnDoe", below("home/", asks(ListBucket, None))), false),
                (of("JohnDoe", asks(ListBucket, None)), false),
            ],
        ),
        (
            "Principal: a role's ARN is who has the role",
            json!([{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:role/dev"]},
                "Action": ["s3:PutObject"], "Resource": OBJECTS}]),
            vec![(of("alice", asks(PutObject, "a")), true), (asks(PutObject, "a"), false)],
        ),
    ]
}

/// *Policy actions*, *Controlling access with conditions* and *Bucket policy examples using condition keys*, S3 user guide.
fn condition_examples() -> Vec<Case> {
    let listing = |operator: &str| {
        json!([
            {"Effect": "Allow", "Principal": {"AWS": "Dave"}, "Action": "s3:ListBucket", "Resource": BUCKET,
             "Condition": {"StringEquals": {"s3:prefix": "projects"}}},
            {"Effect": "Deny", "Principal": {"AWS": "Dave"}, "Action": "s3:ListBucket", "Resource": BUCKET,
             "Condition": {operator: {"s3:prefix": "projects"}}},
        ])
    };
    vec![
        (
            "Granting users permission to list objects with a specific prefix",
            listing("StringNotEquals"),
            vec![
                (of("Dave", below("projects", asks(ListBucket, None))), true),
                (of("Dave", below("projects/x", asks(ListBucket, None))), false),
                (of("Dave", below("", asks(ListBucket, None))), false),
                (of("Dave", asks(ListBucket, None)), false),
                (of("Eve", below("projects", asks(ListBucket, None))), false),
            ],
        ),
        (
            "The explicit deny supersedes, whatever other permission Dave has",
            json!([
                {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": BUCKET},
                {"Effect": "Deny", "Principal": {"AWS": "Dave"}, "Action": "s3:ListBucket", "Resource": BUCKET,
                 "Condition": {"StringNotEquals": {"s3:prefix": "projects"}}},
            ]),
            vec![
                (of("Dave", below("projects", asks(ListBucket, None))), true),
                (of("Dave", below("finance", asks(ListBucket, None))), false),
                (of("Eve", below("finance", asks(ListBucket, None))), true),
            ],
        ),
        (
            "Granting object permissions to a user for listing versions: another action than listing objects",
            json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": BUCKET}]),
            vec![(asks(ListBucket, None), true), (asks(ListBucketVersions, None), false)],
        ),
        (
            "Get a specific version: s3:GetObject is not s3:GetObjectVersion",
            json!([{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObjectVersion"], "Resource": OBJECTS}]),
            vec![(asks(GetObjectVersion, "a"), true), (asks(GetObject, "a"), false)],
        ),
        (
            "Deny deletion of versions, objects may be deleted",
            json!([
                {"Effect": "Allow", "Principal": {"AWS": "alice"}, "Action": "s3:*", "Resource": OBJECTS},
                {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObjectVersion", "Resource": OBJECTS},
            ]),
            vec![(of("alice", asks(DeleteObject, "a")), true), (of("alice", asks(DeleteObjectVersion, "a")), false)],
        ),
        (
            "Operations on the bucket's resource, and on its objects': each needs its own ARN",
            json!([{"Effect": "Allow", "Principal": {"AWS": "Akua"},
                "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"], "Resource": [BUCKET, OBJECTS]}]),
            vec![
                (of("Akua", asks(GetBucketLocation, None)), true),
                (of("Akua", asks(ListBucket, None)), true),
                (of("Akua", asks(GetObject, "a")), true),
                (of("Akua", asks(GetObjectTagging, "a")), false),
            ],
        ),
        (
            "The bucket's policy itself is three actions more",
            json!([{"Effect": "Allow", "Principal": {"AWS": "alice"}, "Action": "s3:GetBucketPolicy", "Resource": BUCKET}]),
            vec![(of("alice", asks(GetBucketPolicy, None)), true), (of("alice", asks(PutBucketPolicy, None)), false)],
        ),
    ]
}

/// *Policy evaluation logic*, IAM user guide.
fn evaluation_logic() -> Vec<Case> {
    let everything = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": [BUCKET, OBJECTS]});
    vec![
        (
            "By default, all requests are implicitly denied",
            json!([{"Effect": "Allow", "Principal": {"AWS": "alice"}, "Action": "s3:GetObject", "Resource": OBJECTS}]),
            vec![(of("alice", asks(GetObject, "a")), true), (of("bob", asks(GetObject, "a")), false)],
        ),
        (
            "An explicit deny in any policy overrides any allows",
            json!([everything, {"Effect": "Deny", "Principal": {"AWS": "bob"}, "Action": "s3:GetObject", "Resource": OBJECTS}]),
            vec![
                (of("bob", asks(GetObject, "a")), false),
                (of("bob", asks(PutObject, "a")), true),
                (of("alice", asks(GetObject, "a")), true),
            ],
        ),
        (
            "The order of statements does not count",
            json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": OBJECTS}, everything]),
            vec![(asks(PutObject, "a"), false), (asks(GetObject, "a"), true)],
        ),
        (
            "A deny alone allows nothing",
            json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": OBJECTS}]),
            vec![(asks(GetObject, "a"), false), (asks(PutObject, "a"), false)],
        ),
        (
            "A deny of one folder wins within it",
            json!([everything, {"Effect": "Deny", "Principal": "*", "Action": "s3:*",
                "Resource": "arn:aws:s3:::doc-bucket/private/*"}]),
            vec![(asks(GetObject, "public/a"), true), (asks(GetObject, "private/a"), false)],
        ),
    ]
}

/// *IAM JSON policy elements* (Principal, Action, Resource, Condition operators, *Conditions with multiple context keys or
/// values*), IAM user guide.
fn elements() -> Vec<Case> {
    let allow = |more: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS});
        if let (Some(statement), Value::Object(more)) = (statement.as_object_mut(), more) {
            statement.extend(more);
        }
        json!([statement])
    };
    vec![
        (
            "Principal: \"*\" and {\"AWS\": \"*\"} are the same",
            allow(json!({"Principal": {"AWS": "*"}})),
            vec![(asks(GetObject, "a"), true), (of("x", asks(GetObject, "a")), true)],
        ),
        (
            "Principal: several, any of them",
            allow(json!({"Principal": {"AWS": ["arn:aws:iam::123456789012:user/user-name-1", "user-name-2"]}})),
            vec![
                (of("user-name-1", asks(GetObject, "a")), true),
                (of("user-name-2", asks(GetObject, "a")), true),
                (of("user-name-3", asks(GetObject, "a")), false),
                (asks(GetObject, "a"), false),
            ],
        ),
        (
            "Principal: names are case-sensitive",
            allow(json!({"Principal": {"AWS": "Alice"}})),
            vec![(of("Alice", asks(GetObject, "a")), true), (of("alice", asks(GetObject, "a")), false)],
        ),
        (
            "Action: prefix and name are case-insensitive",
            allow(json!({"Action": "S3:getobject"})),
            vec![(asks(GetObject, "a"), true)],
        ),
        (
            "Action: wildcards as part of the name",
            allow(json!({"Action": "s3:*Object"})),
            vec![
                (asks(GetObject, "a"), true),
                (asks(DeleteObject, "a"), true),
                (asks(PutObjectTagging, "a"), false),
                (asks(GetObjectVersion, "a"), false),
            ],
        ),
        (
            "Action: ? is one character",
            allow(json!({"Action": "s3:?etObject"})),
            vec![(asks(GetObject, "a"), true), (asks(DeleteObject, "a"), false)],
        ),
        (
            "Resource: * is any characters, slashes among them",
            allow(json!({"Resource": "arn:aws:s3:::doc-bucket/logs/*2024*"})),
            vec![
                (asks(GetObject, "logs/app/2024-01.txt"), true),
                (asks(GetObject, "logs/2024"), true),
                (asks(GetObject, "logs/2025"), false),
                (asks(GetObject, "other/2024"), false),
            ],
        ),
        (
            "Resource: ? is one character",
            allow(json!({"Resource": "arn:aws:s3:::doc-bucket/test?.txt"})),
            vec![
                (asks(GetObject, "test1.txt"), true),
                (asks(GetObject, "test12.txt"), false),
                (asks(GetObject, "test.txt"), false),
            ],
        ),
        (
            "Resource: several, any of them; an object that is named is that one",
            allow(json!({"Resource": ["arn:aws:s3:::doc-bucket/a/*", "arn:aws:s3:::doc-bucket/b"]})),
            vec![(asks(GetObject, "a/x"), true), (asks(GetObject, "b"), true), (asks(GetObject, "b/x"), false)],
        ),
        (
            "Resource: keys are case-sensitive",
            allow(json!({"Resource": "arn:aws:s3:::doc-bucket/Logs/*"})),
            vec![(asks(GetObject, "Logs/a"), true), (asks(GetObject, "logs/a"), false)],
        ),
        (
            "Conditions: several values of a key are OR",
            allow(json!({"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "192.0.2.0/24"]}}})),
            vec![(asks(GetObject, "a"), true), (from("198.51.100.1", asks(GetObject, "a")), false)],
        ),
        (
            "Conditions: several values of a negated operator are NOR",
            allow(json!({"Condition": {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "192.0.2.0/24"]}}})),
            vec![
                (from("198.51.100.1", asks(GetObject, "a")), true),
                (asks(GetObject, "a"), false),
                (from("203.0.113.1", asks(GetObject, "a")), false),
            ],
        ),
        (
            "Conditions: several keys and operators are AND",
            allow(json!({"Condition": {
                "DateGreaterThan": {"aws:CurrentTime": "2026-06-30T23:59:59Z"},
                "DateLessThan": {"aws:CurrentTime": "2026-08-01T00:00:00Z"},
                "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
                "Bool": {"aws:SecureTransport": true},
            }})),
            vec![
                (asks(GetObject, "a"), true),
                (at("2026-06-30T23:59:59Z", asks(GetObject, "a")), false),
                (at("2026-08-01T00:00:00Z", asks(GetObject, "a")), false),
                (from("198.51.100.1", asks(GetObject, "a")), false),
                (plain(asks(GetObject, "a")), false),
            ],
        ),
        (
            "Conditions: …Equals of a date has the moment itself",
            allow(json!({"Condition": {"DateLessThanEquals": {"aws:CurrentTime": "2026-07-01T12:00:00Z"}}})),
            vec![(asks(GetObject, "a"), true), (at("2026-07-01T12:00:01Z", asks(GetObject, "a")), false)],
        ),
        (
            "Conditions: names of keys are case-insensitive, values of strings are not",
            allow(json!({"Condition": {"StringEquals": {"AWS:UserName": "JohnDoe"}}})),
            vec![(of("JohnDoe", asks(GetObject, "a")), true), (of("johndoe", asks(GetObject, "a")), false)],
        ),
        (
            "Conditions: StringLike has * and ?",
            allow(json!({"Condition": {"StringLike": {"aws:username": ["J?hn*"]}}})),
            vec![
                (of("JohnDoe", asks(GetObject, "a")), true),
                (of("John", asks(GetObject, "a")), true),
                (of("Jhn", asks(GetObject, "a")), false),
            ],
        ),
        (
            "Conditions: a key that is missing does not match",
            allow(json!({"Condition": {"StringLike": {"aws:username": "*"}}})),
            vec![(of("x", asks(GetObject, "a")), true), (asks(GetObject, "a"), false)],
        ),
        (
            "Conditions: a key that is missing satisfies a negated operator",
            allow(json!({"Condition": {"StringNotEquals": {"aws:username": "eve"}}})),
            vec![(asks(GetObject, "a"), true), (of("eve", asks(GetObject, "a")), false)],
        ),
        (
            "Conditions: a deny with a negated operator holds where the key is missing",
            json!([
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS},
                {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS,
                 "Condition": {"StringNotLike": {"aws:username": "a*"}}},
            ]),
            vec![
                (of("alice", asks(GetObject, "a")), true),
                (of("bob", asks(GetObject, "a")), false),
                (asks(GetObject, "a"), false),
            ],
        ),
        (
            "Conditions: a deny with a positive operator does not hold where the key is missing",
            json!([
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS},
                {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS,
                 "Condition": {"StringEquals": {"aws:username": "eve"}}},
            ]),
            vec![(asks(GetObject, "a"), true), (of("eve", asks(GetObject, "a")), false)],
        ),
    ]
}

#[test]
fn examples_come_out_as_they_are_documented() {
    let cases = [bucket_policy_examples(), condition_examples(), evaluation_logic(), elements()].concat();
    assert!(cases.len() >= 35, "{}", cases.len());
    for (page, statements, requests) in cases {
        let parsed = parsed(&statements);
        for (request, allowed) in requests {
            assert_eq!(request.is_allowed(parsed.clone()), allowed, "{page}: {request:?}");
        }
    }
}
