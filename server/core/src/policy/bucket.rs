//! Converts bucket policies in S3's JSON to statements. A policy with unsupported elements is refused when it is set,
//! since an ignored condition would grant more than the policy says.
//!
//! `policy/bucket/document.rs` parses the JSON, `policy/bucket/condition.rs` converts conditions.
//!
//! Source: AWS IAM *JSON policy elements reference*.

mod condition;
mod document;

use std::collections::HashSet;

use super::condition::Condition;
use super::effect::Effect;
use super::glob::{Work, glob_matches};
use super::operation::{Operation, Operations};
use super::pattern::{PrincipalPattern, ResourcePattern};
use super::public::public;
use super::statement::Statement;
use crate::action::Actions;
use crate::invalid::{Invalid, Result};
use crate::object_key::KEY_MAX;
use document::{Document, Principals, StatementText};

/// Largest policy in bytes, as in AWS.
pub const SIZE_MAX: usize = 20 * 1024;

/// The statements of a bucket's policy.
///
/// # Errors
/// [`Invalid::Policy`] names the malformed or unsupported element.
pub fn parse(bucket: &str, text: &[u8]) -> Result<Vec<Statement>> {
    if text.len() > SIZE_MAX {
        return Err(malformed(format!("it is larger than {SIZE_MAX} bytes")));
    }
    let document: Document = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
    if document.version.is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed("Version must be \"2012-10-17\"".to_owned()));
    }
    let statements = document.statement.0;
    if statements.is_empty() {
        return Err(malformed("it has no Statement".to_owned()));
    }
    let mut ids = HashSet::new();
    if let Some(twice) = statements.iter().filter_map(|it| it.sid.as_ref()).find(|sid| !ids.insert(sid.as_str())) {
        return Err(malformed(format!("Sid {twice:?} is there twice")));
    }
    statements.into_iter().enumerate().map(|(number, it)| statement(bucket, number, it)).collect()
}

/// Whether a policy gives everybody access.
pub fn is_public(statements: &[Statement]) -> bool {
    public(statements).contains(&true)
}

/// Replaces a stored policy that cannot be parsed any more. Its denials are unknown, so everything is denied in the bucket.
pub fn closed(bucket: &str) -> Statement {
    let text = format!("object:{bucket}/*");
    Statement {
        policy: format!("bucket:{bucket}/unreadable"),
        effect: Effect::Deny,
        principals: vec![PrincipalPattern::Everybody],
        actions: Actions::all(),
        resources: text.parse().into_iter().collect(),
        conditions: Vec::new(),
    }
}

fn statement(bucket: &str, number: usize, text: StatementText) -> Result<Statement> {
    let id = text.sid.unwrap_or_else(|| number.to_string());
    if id.chars().any(char::is_control) {
        return Err(malformed(format!("Sid {id:?} holds a control character")));
    }
    let within = |error: Invalid| match error {
        Invalid::Policy(why) => malformed(format!("statement {id}: {why}")),
        other => malformed(format!("statement {id}: {other}")),
    };
    let effect = match text.effect.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => return Err(malformed(format!("statement {id}: Effect is Allow or Deny, not {other:?}"))),
    };
    let arns = text.resource.0;
    let resources: Vec<_> = arns.iter().map(|arn| resource(bucket, arn)).collect::<Result<_>>().map_err(within)?;
    let (actions, operations) = actions(&text.action.0, &resources).map_err(within)?;
    let mut conditions: Vec<_> = operations.map(Condition::Operation).into_iter().collect();
    conditions.extend(condition::all(text.condition, operations).map_err(within)?);
    Ok(Statement {
        policy: format!("bucket:{bucket}/{id}"),
        effect,
        principals: principals(text.principal).map_err(within)?,
        actions,
        resources,
        conditions,
    })
}

fn principals(text: Principals) -> Result<Vec<PrincipalPattern>> {
    let names = match text {
        Principals::One(all) if all == "*" => vec![all],
        Principals::One(_) => return Err(malformed("Principal is \"*\" or {\"AWS\": […]}".to_owned())),
        Principals::Kinds(kinds) => {
            if let Some((kind, _)) = kinds.0.iter().find(|(kind, _)| kind != "AWS") {
                return Err(malformed(format!("Principal: this store knows \"AWS\", not {kind:?}")));
            }
            kinds.0.into_iter().flat_map(|(_, names)| names.0).collect()
        }
    };
    if names.is_empty() {
        return Err(malformed("Principal names nobody".to_owned()));
    }
    names.iter().map(|name| principal(name)).collect()
}

/// `*` is everybody, as in S3. An ARN's last part is a user or a role. Other names are this store's own.
fn principal(name: &str) -> Result<PrincipalPattern> {
    if name == "*" {
        return Ok(PrincipalPattern::Everybody);
    }
    if name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(format!("Principal {name:?}: this store has no accounts; name users, roles or groups")));
    }
    let Some(arn) = name.strip_prefix("arn:aws:iam::") else { return name.parse() };
    let (_, path) = arn.split_once(':').unwrap_or_default();
    match path.split_once('/') {
        Some((_, glob)) if glob.contains(['*', '?']) => {
            Err(malformed(format!("Principal {name:?}: a part of a name cannot be left open")))
        }
        Some(("user", user)) => format!("user:{user}").parse(),
        Some(("role", role)) => format!("role:{role}").parse(),
        _ => Err(malformed(format!("Principal {name:?}: expected arn:aws:iam::ACCOUNT:user/NAME or …:role/NAME"))),
    }
}

/// The actions, and the S3 operations unless the statement has all of them.
fn actions(names: &[String], resources: &[ResourcePattern]) -> Result<(Actions, Option<Operations>)> {
    if names.is_empty() {
        return Err(malformed("Action is missing".to_owned()));
    }
    if names.iter().any(|name| matches!(name.to_ascii_lowercase().as_str(), "*" | "s3:*")) {
        return Ok((Actions::all(), None));
    }
    let mut all = Operations::default();
    for name in names {
        // names of actions ignore case
        let wanted = name.to_ascii_lowercase();
        let mut work = Work::new(Work::MAX);
        let mut meant = |it: &Operation| glob_matches(&wanted, &it.as_str().to_ascii_lowercase(), &mut work);
        let met: Operations = Operation::ALL.iter().copied().filter(&mut meant).collect();
        if met.is_empty() {
            return Err(malformed(format!("Action {name:?}: this store has no such action")));
        }
        if !met.iter().any(|it| resources.iter().any(|resource| is_of_bucket(resource) == it.is_on_bucket())) {
            return Err(malformed(format!("Action {name:?} does not apply to any resource in the statement")));
        }
        all = all.and(met);
    }
    let actions = all.iter().flat_map(Operation::actions).fold(Actions::NONE, |all, action| all.with(*action));
    Ok((actions, Some(all)))
}

/// Whether a pattern means the bucket itself and not objects in it.
fn is_of_bucket(pattern: &ResourcePattern) -> bool {
    !pattern.to_string().contains('/')
}

fn resource(bucket: &str, arn: &str) -> Result<ResourcePattern> {
    let name = arn
        .strip_prefix("arn:aws:s3:::")
        .ok_or_else(|| malformed(format!("Resource {arn:?}: expected arn:aws:s3:::{bucket}/…")))?;
    let (own, key) = name.split_once('/').map_or((name, None), |(own, key)| (own, Some(key)));
    if own != bucket {
        return Err(malformed(format!(
            "Resource {arn:?}: a bucket's policy is about the bucket and its objects alone"
        )));
    }
    match key {
        Some("") => Err(malformed(format!("Resource {arn:?}: no object has an empty key"))),
        Some(key) if key.len() > KEY_MAX => {
            Err(malformed(format!("Resource {arn:?}: its key is longer than {KEY_MAX} bytes")))
        }
        Some(key) => {
            no_variable(key)?;
            Ok(ResourcePattern::of_bucket(bucket, Some(key)))
        }
        None => Ok(ResourcePattern::of_bucket(bucket, None)),
    }
}

/// Refuses policy variables. They are not supported here, and as plain text they would match something else.
fn no_variable(text: &str) -> Result<()> {
    if text.contains("${") {
        return Err(malformed(format!("{text:?}: policy variables are not supported")));
    }
    Ok(())
}

fn malformed(why: String) -> Invalid {
    Invalid::Policy(why)
}

#[cfg(test)]
mod tests;
