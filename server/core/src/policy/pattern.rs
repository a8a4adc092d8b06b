//! Patterns of statements: globs for resources in one tree, exact names for principals.

use std::fmt;
use std::str::FromStr;

use super::effect::Effect;
use super::glob::{Work, glob_matches};
use super::resource::{Resource, ResourceKind};
use crate::invalid::{Invalid, Result};
use crate::name::RepositoryName;
use crate::object_key::KEY_MAX;
use crate::principal::Principal;

/// The areas of the store itself.
const AREAS: [&str; 3] = ["policies", "accounts", "audit"];
/// The forms of resources, for messages.
const FORMS: &str = "Known are \"team/app\", \"team/*\" and \"*\", of one kind with \"object:\" or \"repository:\" before \
                     them; and \"system:policies\", \"system:accounts\", \"system:audit\" and \"system:*\"";
/// Longest pattern, in bytes: a bucket's name, a slash and a key.
const LENGTH_MAX: usize = 63 + 1 + KEY_MAX;

/// A pattern of resources. `team/app` is exactly that one. `team/*` is `team` and everything below it. Elsewhere `*` stands
/// for any characters and `?` for one. The prefix `object:` or `repository:` limits it to one kind. `system:` names
/// resources outside of namespaces, such as `system:audit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    kind: Option<ResourceKind>,
    shape: Shape,
    text: String,
}

/// How rules look up a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `*`: everything.
    All,
    Exact(String),
    /// This and everything below it.
    Subtree(String),
    Glob(String),
}

impl ResourcePattern {
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether the pattern has a kind.
    pub(super) fn names_kind(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether it matches every repository and object.
    pub(super) fn is_everything(&self) -> bool {
        self.kind.is_none() && self.shape == Shape::All
    }

    /// Whether it matches a resource of this kind and name.
    pub(super) fn matches(&self, kind: ResourceKind, name: &str, work: &mut Work) -> bool {
        let of_kind = match self.kind {
            Some(wanted) => wanted == kind,
            // resources outside of namespaces are only in "everything"
            None => kind != ResourceKind::System || self.shape == Shape::All,
        };
        of_kind
            && match &self.shape {
                Shape::All => true,
                Shape::Exact(exact) => exact == name,
                Shape::Subtree(root) => {
                    name.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
                Shape::Glob(glob) => glob_matches(glob, name, work),
            }
    }

    /// A pattern of a bucket policy: the bucket itself, or the objects in it whose keys match a glob. It does not match the
    /// repository of that name. S3's `*` is every key, but not the bucket.
    pub(crate) fn of_bucket(bucket: &str, keys: Option<&str>) -> Self {
        let (shape, name) = match keys {
            None => (Shape::Exact(bucket.to_owned()), bucket.to_owned()),
            Some(keys) => {
                let glob = format!("{bucket}/{keys}");
                (Shape::Glob(glob.clone()), glob)
            }
        };
        Self { kind: Some(ResourceKind::Object), shape, text: format!("object:{name}") }
    }

    /// The tree with everything that it matches: the part before its first wildcard, if there is one.
    pub(super) fn tree(&self) -> Option<&str> {
        match &self.shape {
            Shape::Glob(glob) if self.kind != Some(ResourceKind::System) => {
                let plain = glob.find(['*', '?']).map_or(glob.as_str(), |at| &glob[..at]);
                plain.rfind('/').map(|slash| &plain[..slash])
            }
            _ => None,
        }
    }
}

impl FromStr for ResourcePattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Invalid::Parameter(format!("resource {text:?}: {why}. {FORMS}"));
        if text.trim() != text {
            return Err(invalid("there are blanks around it"));
        }
        let (kind, rest) = match text.split_once(':') {
            Some(("object", rest)) => (Some(ResourceKind::Object), rest),
            Some(("repository", rest)) => (Some(ResourceKind::Repository), rest),
            Some(("system", rest)) => (Some(ResourceKind::System), rest),
            // the audit trail writes buckets so
            Some(("bucket", name)) => {
                return Err(invalid(&format!(
                    "a bucket is \"object:{name}\", and with its objects \"object:{name}/*\""
                )));
            }
            Some((kind, _)) if !kind.contains('/') => {
                return Err(invalid(&format!("nothing is known as {kind:?}")));
            }
            _ => (None, text),
        };
        if rest.is_empty() {
            return Err(invalid("a name is missing"));
        }
        if rest.len() > LENGTH_MAX {
            return Err(invalid(&format!("it is longer than {LENGTH_MAX} bytes")));
        }
        if rest.starts_with('/') {
            return Err(invalid("names do not begin with a slash"));
        }
        if rest.chars().any(char::is_control) {
            return Err(invalid("it holds a control character"));
        }
        let shape = shape_of(rest);
        possible(kind, rest, &shape).map_err(|why| invalid(&why))?;
        Ok(Self { kind, shape, text: text.to_owned() })
    }
}

/// The reason why a pattern can never match anything. Such a pattern looks like protection but is none.
fn possible(kind: Option<ResourceKind>, rest: &str, shape: &Shape) -> std::result::Result<(), String> {
    match kind {
        Some(ResourceKind::System) => possible_area(rest, shape),
        Some(ResourceKind::Repository) => possible_repository(rest, shape),
        // of both kinds: the part that looks like a tag would be the end of a key
        None if rest.contains(':') => Err(format!(
            "policies are about repositories as a whole, so a tag or digest is not in it; an object with a colon in its \
             key is \"object:{rest}\""
        )),
        None | Some(ResourceKind::Object) => possible_namespace(rest),
    }
}

fn possible_area(rest: &str, shape: &Shape) -> std::result::Result<(), String> {
    let pattern = ResourcePattern { kind: None, shape: shape.clone(), text: String::new() };
    let mut work = Work::new(Work::MAX);
    if AREAS.iter().any(|area| pattern.matches(ResourceKind::Repository, area, &mut work)) {
        return Ok(());
    }
    let area = rest.split('/').next().unwrap_or(rest);
    Err(if AREAS.contains(&area) {
        format!("there are no smaller parts; write \"system:{area}\"")
    } else {
        format!("the store has no {area:?}")
    })
}

fn possible_repository(rest: &str, shape: &Shape) -> std::result::Result<(), String> {
    if let Some(at) = rest.find([':', '@']) {
        return Err(format!(
            "policies are about repositories as a whole, without tag or digest; write \"repository:{}\"",
            &rest[..at]
        ));
    }
    match shape {
        Shape::All => Ok(()),
        Shape::Exact(name) | Shape::Subtree(name) => {
            name.parse::<RepositoryName>().map(drop).map_err(|error| error.to_string())
        }
        Shape::Glob(glob) if glob.contains("//") || !glob.chars().all(|c| is_of_names(c) || "/*?".contains(c)) => {
            Err("names of repositories are lower-case letters, digits, '.', '_', '-', and single slashes".to_owned())
        }
        Shape::Glob(_) => possible_namespace(rest),
    }
}

/// A namespace is a bucket, and the first part of repositories.
fn possible_namespace(rest: &str) -> std::result::Result<(), String> {
    let (namespace, key) = rest.split_once('/').map_or((rest, None), |(namespace, key)| (namespace, Some(key)));
    if key == Some("") {
        return Err(format!("nothing has an empty name; write \"{namespace}\", or \"{namespace}/*\" for all in it"));
    }
    match namespace.find(['*', '?']) {
        // after a star may be a key, which has any characters
        Some(_) => {
            let plain = namespace.split('*').next().unwrap_or(namespace);
            let good = plain.chars().all(|c| is_of_names(c) || c == '?');
            if good { Ok(()) } else { Err(format!("no bucket and no repository begins with {plain:?}")) }
        }
        None => namespace.parse::<RepositoryName>().map(drop).map_err(|error| error.to_string()),
    }
}

fn is_of_names(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c)
}

fn shape_of(pattern: &str) -> Shape {
    let is_glob = |text: &str| text.contains(['*', '?']);
    match pattern.strip_suffix("/*") {
        _ if pattern == "*" => Shape::All,
        Some(root) if !is_glob(root) => Shape::Subtree(root.to_owned()),
        _ if is_glob(pattern) => Shape::Glob(pattern.to_owned()),
        _ => Shape::Exact(pattern.to_owned()),
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A pattern of principals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalPattern {
    /// `anonymous`: everybody, authenticated or not.
    Everybody,
    /// `*`: everybody who is authenticated.
    Authenticated,
    /// One name of a principal: `user:…`, `userid:…`, `role:…`, `group:…`, `serviceaccount:<namespace>:<name>`, `key:…`.
    Named(String),
}

/// The kinds of names that principals have.
const KINDS: [&str; 7] = ["user", "userid", "role", "group", "account", "serviceaccount", "key"];

impl PrincipalPattern {
    /// Whether a statement with this effect applies to the principal. A denial also applies to names that the principal gave
    /// up.
    pub fn covers(&self, principal: &Principal, effect: Effect) -> bool {
        match (self, effect) {
            (Self::Everybody, _) => true,
            (Self::Authenticated, _) => !principal.is_anonymous(),
            (Self::Named(name), Effect::Allow) => principal.has_name(name),
            (Self::Named(name), Effect::Deny) => principal.ever_had_name(name),
        }
    }
}

impl FromStr for PrincipalPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Invalid::Parameter(format!("principal {text:?}: {why}"));
        match text {
            "*" => return Ok(Self::Authenticated),
            "anonymous" => return Ok(Self::Everybody),
            _ => {}
        }
        if text.is_empty() || text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(invalid(
                "expected a user, role:NAME, group:NAME, account:NAME, serviceaccount:NAMESPACE:NAME, \"*\" or \"anonymous\"",
            ));
        }
        if text.eq_ignore_ascii_case("anonymous") {
            return Err(invalid("everybody is \"anonymous\", in small letters; a user of that name is \"user:NAME\""));
        }
        let (kind, name) = text.split_once(':').unwrap_or(("user", text));
        if text.trim() != text || name.trim() != name {
            return Err(invalid("there are blanks around it, and names are compared letter by letter"));
        }
        // only ServiceAccounts may have a wildcard, for all of a namespace
        let whole = if kind == "serviceaccount" { name.strip_suffix(":*").unwrap_or(name) } else { name };
        if whole.contains('*') {
            return Err(invalid(
                "a part of a name cannot be left open: it is a whole name, serviceaccount:NAMESPACE:*, or \"*\" alone for \
                 everybody who says who they are",
            ));
        }
        if !KINDS.contains(&kind) {
            return Err(invalid(
                "before the first colon only user, userid, role, group, account, serviceaccount and key are known",
            ));
        }
        let parts = name.split(':').filter(|part| !part.is_empty()).count();
        if name.is_empty() || (kind == "serviceaccount" && parts < 2) {
            return Err(invalid(
                "a name is missing; a ServiceAccount is serviceaccount:NAMESPACE:NAME, or NAMESPACE:* for all, and another \
                 cluster's has its name in front",
            ));
        }
        Ok(Self::Named(format!("{kind}:{name}")))
    }
}

impl fmt::Display for PrincipalPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everybody => "anonymous",
            Self::Authenticated => "*",
            Self::Named(name) => name,
        })
    }
}

impl Resource<'_> {
    /// Its kind and its name in the tree.
    pub(super) fn in_tree(&self) -> (ResourceKind, std::borrow::Cow<'_, str>) {
        match self {
            Self::Repository(name) => (ResourceKind::Repository, name.as_str().into()),
            Self::Bucket(name) => (ResourceKind::Object, (*name).into()),
            Self::Object(bucket, key) => (ResourceKind::Object, format!("{bucket}/{key}").into()),
            Self::System(area) => (ResourceKind::System, (*area).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, kind: ResourceKind, name: &str) -> bool {
        pattern.parse::<ResourcePattern>().unwrap().matches(kind, name, &mut Work::new(Work::MAX))
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_not_its_neighbours() {
        use ResourceKind::Repository;
        for (pattern, covered, not_covered) in [
            ("team/app", &["team/app"][..], &["team", "team/apple", "team/app/x", "other/team/app"][..]),
            ("team/*", &["team", "team/app", "team/a/b"], &["teams", "teams/x", "other"]),
            ("*", &["team", "a/b/c"], &[]),
            ("*/app", &["team/app", "a/b/app"], &["app", "team/apps"]),
            ("team/v?", &["team/v1", "team/vü"], &["team/v", "team/v12"]),
            ("team/*/prod", &["team/a/prod", "team/a/b/prod"], &["team/prod", "team/a/prod/x"]),
        ] {
            for name in covered {
                assert!(matches(pattern, Repository, name), "{pattern} covers {name}");
            }
            for name in not_covered {
                assert!(!matches(pattern, Repository, name), "{pattern} does not cover {name}");
            }
        }
    }

    #[test]
    fn a_prefix_narrows_to_one_kind() {
        use ResourceKind::{Object, Repository, System};
        assert!(matches("object:team/*", Object, "team/key") && !matches("object:team/*", Repository, "team/key"));
        assert!(matches("repository:*", Repository, "x") && !matches("repository:*", Object, "x"));
        assert!(matches("team/*", Object, "team/key") && matches("team/*", Repository, "team/key"));
        assert!(matches("*", System, "audit") && matches("system:audit", System, "audit"));
        assert!(!matches("a*", System, "audit") && !matches("audit", System, "audit"), "the store is no namespace");
        assert!(!matches("system:*", Repository, "audit"));
    }

    #[test]
    fn principals_are_named_with_their_kind() {
        for (text, shown) in [
            ("alice", "user:alice"),
            ("user:alice", "user:alice"),
            ("role:admin", "role:admin"),
            ("serviceaccount:ci:builder", "serviceaccount:ci:builder"),
            ("serviceaccount:ci:*", "serviceaccount:ci:*"),
            ("serviceaccount:other:ci:*", "serviceaccount:other:ci:*"),
            ("userid:auth0|17", "userid:auth0|17"),
            ("*", "*"),
            ("anonymous", "anonymous"),
        ] {
            assert_eq!(text.parse::<PrincipalPattern>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "team:x",
            "role:",
            "serviceaccount:ci",
            "serviceaccount::x",
            "a\nb",
            " alice",
            "alice ",
            "user: alice",
            "role:admin ",
            "Anonymous",
            "ANONYMOUS",
            "user:*",
            "role:*",
            "ali*",
            "group:team/*",
            "serviceaccount:*:builder",
            "serviceaccount:*",
            "serviceaccount:*:*",
            "serviceaccount:ci:b*",
            "**",
        ] {
            assert!(text.parse::<PrincipalPattern>().is_err(), "{text:?}");
        }
    }

    /// What can never match protects nothing, and looks as if it did.
    #[test]
    fn a_pattern_that_nothing_can_match_is_refused() {
        for (text, named) in [
            ("repositories:team/*", "repository:"),
            ("bucket:team", "\"object:team\""),
            ("objects:team/*", "object:"),
            ("System:audit", "system:audit"),
            ("credentials:access_key", "object:"),
            ("*:x", "object:"),
            ("system:policy", "system:policies"),
            ("system:policies/open", "write \"system:policies\""),
            ("system:catalog", "system:audit"),
            ("system:Audit", "system:audit"),
            ("repository:team/app:v1", "\"repository:team/app\""),
            ("repository:team/app@sha256:abc", "\"repository:team/app\""),
            ("team/app:v1", "tag"),
            ("repository:team/App", "lower-case"),
            ("repository:team//app*", "single slashes"),
            ("repository:team/a b*", "lower-case"),
            ("Team/*", "lower-case"),
            ("object:Team/*", "lower-case"),
            ("Team*", "begins with"),
            ("te am/*", "lower-case"),
            (" team/*", "blanks"),
            ("team/* ", "blanks"),
            ("team/", "\"team/*\""),
            ("api/*", "reserved"),
            ("x", "2 to 63"),
        ] {
            let why = text.parse::<ResourcePattern>().unwrap_err().to_string();
            assert!(why.contains(named) && why.contains("Known are"), "{text}: {why}");
        }
        for text in [
            "system:audit/*",
            "system:*",
            "system:a*",
            "object:team/dir/A b:c@d",
            "object:team/*:v1",
            "team/Dir/key",
            "team/dir/",
            "*Key",
            "?eam/*",
            "repository:*/app",
            "repository:te?m/*/prod",
            "*/app",
            "object:*:x",
        ] {
            text.parse::<ResourcePattern>().unwrap();
        }
        assert!(matches("system:audit/*", ResourceKind::System, "audit"));
    }
}
