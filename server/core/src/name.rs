//! Names: repositories, namespaces, tags, and references, which are tags or digests.
//!
//! Grammar: distribution-spec, *Workflow Categories / Pull*. A namespace must also be a valid bucket of the S3 API.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::invalid::{Invalid, Result};

/// Longest repository name, in bytes: clients need room for a registry's host name.
pub const REPOSITORY_MAX: usize = 255;
/// Longest tag, in bytes (distribution-spec).
pub const TAG_MAX: usize = 128;

/// Reserved first components: they are routes of the other APIs.
const RESERVED: [&str; 7] = ["api", "auth", "health", "metrics", "rbac", "s3", "supplychain"];

/// A valid repository name, such as `team/app`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first component: owner of quota and policy, and a bucket of the S3 API.
    pub fn namespace(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Whether this is a bucket's own repository, which has the bucket's objects. Such a name has one component.
    pub fn is_bucket(&self) -> bool {
        self.as_str() == self.namespace()
    }
}

impl FromStr for RepositoryName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Invalid::Repository(format!("{:?}: {why}", shown(text))));
        if text.len() > REPOSITORY_MAX {
            return refuse("longer than 255 characters");
        }
        if !text.split('/').all(is_component) {
            return refuse("components are lower-case letters and digits, separated by '.', '_', '__' or dashes");
        }
        let name = Self(text.to_owned());
        let namespace = name.namespace();
        if !(2..=63).contains(&namespace.len()) {
            return refuse("the first component must have 2 to 63 characters");
        }
        if RESERVED.contains(&namespace) {
            return refuse("the first component is reserved");
        }
        if namespace.parse::<std::net::Ipv4Addr>().is_ok() {
            return refuse("the first component must not look like an IPv4 address");
        }
        Ok(name)
    }
}

/// A bucket's name: a namespace, so that every bucket is also a repository.
///
/// # Errors
/// [`Invalid::Bucket`].
pub fn bucket_name(text: &str) -> Result<String> {
    let name: RepositoryName = text.parse().map_err(|error: Invalid| Invalid::Bucket(error.to_string()))?;
    if name.as_str().contains('/') {
        return Err(Invalid::Bucket("a bucket's name has no slash".to_owned()));
    }
    Ok(text.to_owned())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        let separator = match rest {
            [] => return true,
            [b'_', b'_', ..] => 2,
            [b'.' | b'_', ..] => 1,
            _ => rest.iter().take_while(|b| **b == b'-').count(),
        };
        if separator == 0 {
            return false;
        }
        rest = &rest[separator..];
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A valid tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if first && rest && text.len() <= TAG_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::Tag(format!(
                "{:?}: up to 128 letters, digits, '.', '_' and '-', the first one no '.' or '-'",
                shown(text)
            )))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a manifest in a request: a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self> {
        if text.contains(':') { text.parse().map(Self::Digest) } else { text.parse().map(Self::Tag) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in [
            "app",
            "team/app",
            "a1/b2/c3",
            "a.b/c_d/e__f/g---h",
            "library/ubuntu",
            &"a/".repeat(100).replacen('a', "ab", 1).add_tail(),
        ] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a",
            "App",
            "team/App",
            "team/",
            "/team",
            "team//app",
            "..",
            "team/..",
            "team/.",
            "./team",
            "team/a..b",
            "team/_a",
            "team/a_",
            "team/a___b",
            "team/-a",
            "team/a-",
            "_catalog",
            "te am",
            "team/ä",
            "team%2Fapp",
            "10.0.0.1/app",
            "api/v1",
            "s3",
            &"a".repeat(64),
            &format!("team/{}", "a".repeat(251)),
            "team\0",
            "team/a\n",
        ] {
            assert!(matches!(bad.parse::<RepositoryName>(), Err(Invalid::Repository(_))), "{bad:?}");
        }
    }

    trait AddTail {
        fn add_tail(&self) -> String;
    }

    impl AddTail for String {
        fn add_tail(&self) -> String {
            format!("{self}b")
        }
    }

    #[test]
    fn the_namespace_is_the_first_component() {
        assert_eq!("team/app/web".parse::<RepositoryName>().unwrap().namespace(), "team");
        assert_eq!("team".parse::<RepositoryName>().unwrap().namespace(), "team");
    }

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["latest", "v1.2.3", "_x", "A-b_c.D", &"a".repeat(128)] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "a/b", "ä", "a:b", &"a".repeat(129), "a\0"] {
            assert!(matches!(bad.parse::<Tag>(), Err(Invalid::Tag(_))), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn names_match_the_published_expression(text in "[a-z0-9._/-]{0,20}") {
            // the expression of the distribution spec, walked by hand: no component empty, no separator at an end or doubled but `__`, `--…`
            let expected = text.split('/').all(|c| {
                !c.is_empty()
                    && c.split(['.', '_', '-']).next().is_some_and(|w| !w.is_empty())
                    && c.split(['.', '_', '-']).next_back().is_some_and(|w| !w.is_empty())
                    && !c.contains("..") && !c.contains("___")
                    && !["._", "_.", ".-", "-.", "_-", "-_"].iter().any(|pair| c.contains(pair))
            });
            prop_assert_eq!(text.split('/').all(is_component), expected);
        }
    }
}
