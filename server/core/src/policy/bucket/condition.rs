//! Conditions of a bucket policy. All must hold. A condition holds if one of its values matches.
//!
//! Source: AWS IAM *IAM JSON policy elements: Condition operators*, *Conditions with multiple context keys or values*.

use std::collections::HashSet;

use jiff::{Span, Timestamp};

use super::document::{Conditions, Scalar};
use super::{malformed, no_variable};
use crate::invalid::Result;
use crate::policy::condition::{self, Condition};
use crate::policy::operation::{Operation, Operations};

/// The operations that have a prefix.
const LISTS: [Operation; 3] =
    [Operation::ListBucket, Operation::ListBucketVersions, Operation::ListBucketMultipartUploads];

/// The conditions of a statement with these operations.
pub(super) fn all(operators: Conditions, operations: Option<Operations>) -> Result<Vec<Condition>> {
    let mut found = Vec::new();
    for (operator, keys) in operators.0 {
        let mut names = HashSet::new();
        for (key, values) in keys.0 {
            // names of keys ignore case
            if !names.insert(key.to_ascii_lowercase()) {
                return Err(malformed(format!("Condition {operator} {key}: it is there twice")));
            }
            let values: Vec<String> = values.0.into_iter().map(|Scalar(text)| text).collect();
            if values.is_empty() {
                return Err(malformed(format!("Condition {operator} {key}: a value is missing")));
            }
            values.iter().try_for_each(|value| no_variable(value))?;
            if let Some(long) = values.iter().find(|value| value.len() > condition::GLOB_MAX) {
                let begin: String = long.chars().take(40).collect();
                return Err(malformed(format!(
                    "Condition {operator} {key}: {begin:?}… is longer than {} bytes",
                    condition::GLOB_MAX
                )));
            }
            let one = one(&operator, &key, values)?;
            let lists = || operations.is_none_or(|all| LISTS.into_iter().any(|it| all.contains(it)));
            if matches!(one, Condition::ListPrefix { .. }) && !lists() {
                return Err(malformed(format!("Condition {key} does not apply to any action in the statement")));
            }
            found.push(one);
        }
    }
    Ok(found)
}

fn one(operator: &str, key: &str, values: Vec<String>) -> Result<Condition> {
    let none = operator.contains("Not");
    let moments = || values.iter().map(|value| moment(key, value)).collect::<Result<Vec<_>>>();
    // of several times, the one that is easiest to satisfy
    let (earliest, latest) = (
        || Ok(moments()?.into_iter().min().unwrap_or(Timestamp::MIN)),
        || Ok(moments()?.into_iter().max().unwrap_or(Timestamp::MAX)),
    );
    Ok(match (operator, key.to_ascii_lowercase().as_str()) {
        ("IpAddress" | "NotIpAddress", "aws:sourceip") => Condition::SourceIp { networks: networks(&values)?, none },
        ("Bool", "aws:securetransport") => tls(&values)?,
        ("DateGreaterThanEquals", "aws:currenttime") => Condition::NotBefore(earliest()?),
        ("DateGreaterThan", "aws:currenttime") => Condition::NotBefore(beside(earliest()?, 1)),
        ("DateLessThanEquals", "aws:currenttime") => Condition::NotAfter(latest()?),
        ("DateLessThan", "aws:currenttime") => Condition::NotAfter(beside(latest()?, -1)),
        ("StringEquals" | "StringNotEquals", "s3:prefix") => Condition::ListPrefix { globs: exactly(values)?, none },
        ("StringLike" | "StringNotLike", "s3:prefix") => Condition::ListPrefix { globs: values, none },
        ("StringEquals" | "StringNotEquals", "aws:username") => Condition::User { globs: exactly(values)?, none },
        ("StringLike" | "StringNotLike", "aws:username") => Condition::User { globs: values, none },
        _ => return Err(malformed(format!("Condition {operator} {key}: this store cannot decide by it"))),
    })
}

fn moment(key: &str, value: &str) -> Result<Timestamp> {
    let parsed = value.parse();
    parsed.map_err(|_| malformed(format!("Condition {key}: {value:?} is no moment such as \"2026-01-31T08:00:00Z\"")))
}

/// The time just after or before.
fn beside(moment: Timestamp, nanoseconds: i64) -> Timestamp {
    moment.checked_add(Span::new().nanoseconds(nanoseconds)).unwrap_or(moment)
}

fn tls(values: &[String]) -> Result<Condition> {
    match values {
        [one] if one.eq_ignore_ascii_case("true") => Ok(Condition::Tls(true)),
        [one] if one.eq_ignore_ascii_case("false") => Ok(Condition::Tls(false)),
        _ => Err(malformed(format!("Condition aws:SecureTransport: {values:?} is neither \"true\" nor \"false\""))),
    }
}

fn networks(values: &[String]) -> Result<Vec<ipnet::IpNet>> {
    let one = |value: &String| condition::networks("aws:SourceIp", value).map_err(|error| malformed(error.to_string()));
    values.iter().map(one).collect::<Result<Vec<_>>>().map(|all| all.concat())
}

/// Texts without `*` and `?`, which would make them globs.
fn exactly(values: Vec<String>) -> Result<Vec<String>> {
    match values.iter().find(|value| value.contains(['*', '?'])) {
        Some(value) => Err(malformed(format!("{value:?}: * and ? belong to StringLike"))),
        None => Ok(values),
    }
}
