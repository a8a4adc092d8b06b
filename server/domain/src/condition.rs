//! Conditional requests: `If-Match`, `If-None-Match` and their dates (RFC 9110 section 13), for reads and writes.

use crate::error::{Error, ObjectError, Result};

/// The value of an entity tag header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// One of these, unquoted.
    Of(Vec<String>),
}

impl Tags {
    /// Parses a header's value.
    pub fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        Self::Of(text.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned()).collect())
    }

    fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// Conditions of a read. Times are seconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct ReadCondition {
    pub if_match: Option<Tags>,
    pub if_none_match: Option<Tags>,
    pub if_modified_since: Option<i64>,
    pub if_unmodified_since: Option<i64>,
}

impl ReadCondition {
    /// Evaluates in the order of RFC 9110 section 13.2.2: entity tags take precedence over dates.
    ///
    /// # Errors
    /// [`ObjectError::PreconditionFailed`], [`ObjectError::NotModified`].
    pub fn check(&self, etag: &str, modified: i64) -> Result<(), ObjectError> {
        let failed = || Err(ObjectError::PreconditionFailed);
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(etag) => return failed(),
            (None, Some(since)) if modified > since => return failed(),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches(etag) => Err(ObjectError::NotModified),
            (None, Some(since)) if modified <= since => Err(ObjectError::NotModified),
            _ => Ok(()),
        }
    }
}

/// Condition of a write. The statement that writes the row evaluates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    #[default]
    Always,
    /// `If-None-Match: *`: only if the object does not exist.
    Absent,
    /// `If-Match`: only if the existing object has this entity tag.
    Match(String),
}

impl WriteCondition {
    /// Parses the two headers.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a combination that S3 does not have.
    pub fn of(if_match: Option<Tags>, if_none_match: Option<Tags>) -> Result<Self> {
        match (if_match, if_none_match) {
            (None, None) => Ok(Self::Always),
            (None, Some(Tags::Any)) => Ok(Self::Absent),
            (Some(Tags::Of(tags)), None) => match <[String; 1]>::try_from(tags) {
                Ok([tag]) => Ok(Self::Match(tag)),
                Err(_) => Err(Error::NotImplemented("a write accepts one entity tag in If-Match".to_owned())),
            },
            _ => Err(Error::NotImplemented(
                "a write accepts If-None-Match: * or If-Match with one entity tag".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_win_over_dates() {
        let condition = |m: Option<&str>, n: Option<&str>, since, until| ReadCondition {
            if_match: m.map(Tags::parse),
            if_none_match: n.map(Tags::parse),
            if_modified_since: since,
            if_unmodified_since: until,
        };
        let check = |c: ReadCondition| c.check("abc", 100);
        assert!(check(condition(Some("\"abc\""), None, None, Some(50))).is_ok());
        assert!(matches!(
            check(condition(Some("\"x\", \"y\""), None, None, None)),
            Err(ObjectError::PreconditionFailed)
        ));
        assert!(matches!(check(condition(None, Some("W/\"abc\""), None, None)), Err(ObjectError::NotModified)));
        assert!(check(condition(None, Some("\"x\""), Some(200), None)).is_ok());
        assert!(matches!(check(condition(None, None, Some(100), None)), Err(ObjectError::NotModified)));
        assert!(check(condition(None, None, Some(99), None)).is_ok());
        assert!(matches!(check(condition(None, None, None, Some(99))), Err(ObjectError::PreconditionFailed)));
        assert!(check(condition(Some("*"), None, None, None)).is_ok());
    }

    #[test]
    fn writes_have_two_conditions() {
        let of = |m: Option<&str>, n: Option<&str>| WriteCondition::of(m.map(Tags::parse), n.map(Tags::parse));
        assert_eq!(of(None, None).unwrap(), WriteCondition::Always);
        assert_eq!(of(None, Some("*")).unwrap(), WriteCondition::Absent);
        assert_eq!(of(Some("\"a\""), None).unwrap(), WriteCondition::Match("a".to_owned()));
        for (m, n) in [(None, Some("\"a\"")), (Some("*"), None), (Some("a"), Some("*")), (Some("a,b"), None)] {
            assert!(matches!(of(m, n), Err(Error::NotImplemented(_))), "{m:?} {n:?}");
        }
    }
}
